/**
 * Makes the files and directories of packs durable, those of all packs that wait
 * together: many with one sync of the file system, few one by one. While one
 * commit runs, the next one collects.
 *
 * A commit that fails fails for all that were in it, and is never tried again:
 * the kernel forgets what it could not write.
 */
import { GroupCommit } from '../../../../base/async/group-commit.ts';
import { errnoOf } from '../../../../base/errors.ts';
import type { Logger } from '../../../../base/logger.ts';
import type { Durability } from './durability.ts';

/** So many fsyncs, with two at once, take as long as one sync of an idle file system with its process. */
const WORTH_FILE_SYSTEM = 16;

export interface SyncMember {
  /** How many fsyncs `each` makes. */
  readonly count: number;
  /** Makes everything durable by itself. Throws system errors. */
  each(): Promise<void>;
}

export class GroupSync {
  readonly #durability: Durability;
  readonly #path: () => string;
  readonly #logger: Logger;
  readonly #commits = new GroupCommit(() => this.#commit());
  #waiting: SyncMember[] = [];
  /** Whether the whole file system can be synced; asked when it is first wanted. */
  #canSyncAll: Promise<boolean> | undefined;

  /** `path`: a directory of the file system. */
  constructor(durability: Durability, path: () => string, logger: Logger) {
    this.#durability = durability;
    this.#path = path;
    this.#logger = logger;
  }

  /** Resolves when all of `member` is durable. Throws system errors. */
  async run(member: SyncMember): Promise<void> {
    if (!this.#durability.isOn || member.count === 0) return;
    this.#waiting.push(member);
    await this.#commits.run();
  }

  async #commit(): Promise<void> {
    const members = this.#waiting.splice(0);
    const count = members.reduce((sum, member) => sum + member.count, 0);
    if (count >= WORTH_FILE_SYSTEM && (await this.#tried())) {
      await this.#durability.fileSystem(this.#path());
      return;
    }
    const ends = await Promise.allSettled(members.map((member) => member.each()));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  /** A first run tells, before anything counts on it, whether the program is there and knows its option. */
  #tried(): Promise<boolean> {
    this.#canSyncAll ??= this.#durability.fileSystem(this.#path()).then(
      () => true,
      (reason: unknown) => {
        this.#logger.info(
          { errno: errnoOf(reason) },
          'there is no sync of a whole file system here (sync -f); small files are synced one by one',
        );
        return false;
      },
    );
    return this.#canSyncAll;
  }
}
