/**
 * One pack on its way to being files:
 *
 *   look ─▶ write under temporary names ─▶ commit ─▶ name ─▶ commit ─▶ look: versions
 *
 * Threads do what is to be done for each file; here is the order. The names of
 * all files are held from the first look to the last, so that no other change of
 * this server comes between. What another process does is seen by `name`, and
 * the look is taken again.
 *
 * Invariant: a file is durable before it has its name, and its name is durable
 * before it is a success.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, TransferError } from '../../../../base/errors.ts';
import type { EntryStats, FailedCall } from '../../../../base/files/entry-stats.ts';
import { TICK_MS } from '../../../../base/files/settled-stats.ts';
import { requireSize } from '../../../max-size.ts';
import { parseName } from '../../../name.ts';
import type { FoundEntry, PackJobs } from '../../../pack-jobs.ts';
import { quoteName } from '../../../quoted-name.ts';
import type { PackFile, WriteOutcome } from '../../../upload-store.ts';
import { fileObstacle } from '../../obstacle.ts';
import type { Versions } from '../../versions/versions.ts';
import { toWriteError, writeErrorOf } from '../disk/write-error.ts';
import type { UploadContext } from '../options.ts';
import { checkCondition, refuseOtherSpelling, type Target, toTargetError } from '../target.ts';
import { packEntry } from '../upload-id.ts';
import { PackDirectories } from './pack-directories.ts';

/** Looks and tries to name what somebody else changes at the same time, or whose directory somebody removes. */
const TRIES = 3;

/** A file that has not failed. */
interface Entry {
  readonly file: PackFile;
  /** The directory it is in, by its components. */
  readonly directory: readonly string[];
  readonly entry: string;
  readonly temporary: string;
  /** Where its bytes begin in the content. */
  readonly start: number;
  /** Of the name that it is to have; good while the directories are open. */
  path: string;
  /** Of its temporary file. */
  ino: bigint | undefined;
  isNamed: boolean;
  outcome: WriteOutcome | undefined;
}

/** An entry at the place that it is to have. */
interface Placed extends Omit<Target, 'stats'> {
  readonly of: Entry;
  readonly stats: EntryStats | undefined;
}

export class PackWrite {
  readonly #context: UploadContext;
  readonly #jobs: PackJobs;
  readonly #requireLock: () => void;
  readonly #entries: readonly Entry[];
  /** One for each try. */
  readonly #directories: PackDirectories[] = [];
  /** Those whose temporary files may be there. */
  #written: readonly Entry[] = [];

  /** @param requireLock throws when the root is not this process's any more */
  constructor(
    context: UploadContext,
    id: string,
    files: readonly PackFile[],
    jobs: PackJobs,
    requireLock: () => void,
  ) {
    this.#context = context;
    this.#jobs = jobs;
    this.#requireLock = requireLock;
    let start = 0;
    const names = new Set<string>();
    this.#entries = files.map((file, index) => {
      const temporary = context.directory.pathOfEntry(packEntry(id, index));
      const { directory, entry, outcome } = placeOf(file, context, names);
      const from = start;
      start += file.size;
      return {
        file,
        directory,
        entry,
        temporary,
        start: from,
        path: '',
        ino: undefined,
        isNamed: false,
        outcome,
      };
    });
  }

  /** One outcome for each file. Throws a TransferError where none of them is there. */
  async run(): Promise<WriteOutcome[]> {
    const names = this.#pending.map(({ file }) => file.name);
    try {
      await this.#context.locks.names.runAll(names, () => this.#write());
    } finally {
      await this.#cleanUp();
    }
    return this.#entries.map(({ outcome, file }) => outcome ?? changedAgain(file.name));
  }

  get #pending(): Entry[] {
    return this.#entries.filter(({ outcome, isNamed }) => outcome === undefined && !isNamed);
  }

  async #write(): Promise<void> {
    for (let tries = 1; tries <= TRIES && this.#pending.length > 0; tries += 1) {
      const placed = await this.#lookAt(await this.#enter(this.#pending));
      if (tries === 1) await this.#writeFiles(placed);
      this.#requireLock();
      await this.#name(placed.filter(({ of }) => of.outcome === undefined));
    }
    await this.#finish(this.#entries.filter(({ isNamed }) => isNamed));
  }

  /** Opens the directories of the files. */
  async #enter(entries: readonly Entry[]): Promise<Placed[]> {
    const directories = new PackDirectories(this.#context);
    this.#directories.push(directories);
    await directories.open(entries.map(({ directory }) => directory));
    return entries.flatMap((of) => {
      try {
        const parent = directories.at(of.directory.join('/'));
        of.path = parent.pathOf(of.entry);
        return [{ of, parent, entry: of.entry, stats: undefined }];
      } catch (reason) {
        of.outcome = toTargetError(reason, of.file.name);
        return [];
      }
    });
  }

  /** What may be written as things are. */
  async #lookAt(places: readonly Placed[]): Promise<Placed[]> {
    if (places.length === 0) return [];
    const found = await this.#jobs.look(places.map(({ of }) => of.path));
    const placed: Placed[] = [];
    for (const [index, place] of places.entries()) {
      try {
        placed.push(await this.#judge(place, found[index] ?? null));
      } catch (reason) {
        place.of.outcome = toTargetError(reason, place.of.file.name);
      }
    }
    return placed;
  }

  async #judge(place: Placed, found: FoundEntry | FailedCall | null): Promise<Placed> {
    const { name, condition } = place.of.file;
    if (found !== null && 'errno' in found) throw writeErrorOf(found.errno, name);
    const obstacle = found === null ? undefined : fileObstacle(found.stats, this.#context.root.device);
    if (obstacle !== undefined) throw new TransferError('NOT_A_FILE', `${quoteName(name)} ${obstacle}`);
    await checkCondition(
      this.#context,
      condition,
      name,
      found === null ? undefined : { ...place, look: found.stats },
    );
    if (found === null) return place;
    if (found.hasOtherSpelling) await refuseOtherSpelling(place, name);
    return { ...place, stats: found.stats };
  }

  async #writeFiles(placed: readonly Placed[]): Promise<void> {
    if (placed.length === 0) return;
    const files = placed.map(({ of: { file, start, temporary }, stats }) => ({
      path: temporary,
      start,
      end: start + file.size,
      ...(stats === undefined ? {} : { replaces: stats }),
      ...(file.mode === undefined ? {} : { mode: file.mode }),
      ...(file.modifiedMs === undefined ? {} : { modifiedMs: file.modifiedMs }),
    }));
    this.#written = placed.map(({ of }) => of);
    const results = await this.#jobs.write(files);
    for (const [index, { of }] of placed.entries()) {
      const result = results[index] as (typeof results)[number];
      if ('errno' in result) of.outcome = writeErrorOf(result.errno, of.file.name);
      else of.ino = result.ino;
    }
    const made = this.#written.filter(({ outcome }) => outcome === undefined);
    this.#written = made;
    const bytes = made.reduce((sum, { file }) => sum + file.size, 0);
    this.#context.freeSpace.noteWritten(bytes);
    await this.#commit(made, made.length, () => this.#syncFiles(made));
  }

  /** Sees to it that what `entries` have is durable; where it is not, they have failed. */
  async #commit(entries: readonly Entry[], count: number, each: () => Promise<void>): Promise<void> {
    if (entries.length === 0) return;
    try {
      await this.#context.groupSync.run({ count, each });
    } catch (reason) {
      for (const entry of entries) entry.outcome = toWriteError(reason, entry.file.name);
    }
  }

  async #syncFiles(entries: readonly Entry[]): Promise<void> {
    await Promise.all(entries.map(({ temporary }) => this.#context.durability.file(temporary)));
  }

  async #name(placed: readonly Placed[]): Promise<void> {
    if (placed.length === 0) return;
    const files = placed.map(({ of: { file, ino, path, temporary }, stats }) => ({
      from: temporary,
      to: path,
      ino: ino as bigint,
      found: stats?.identity ?? null,
      isNew: file.condition.kind === 'absent',
    }));
    const results = await this.#jobs.name(files);
    for (const [index, { of }] of placed.entries()) {
      const result = results[index] as (typeof results)[number];
      if (result === 'named') of.isNamed = true;
      // Its directory may have been removed: it is made again.
      else if (result !== 'changed' && result.errno !== 'ENOENT')
        of.outcome = writeErrorOf(result.errno, of.file.name);
    }
  }

  /** Makes the names durable, and learns what the files are now. */
  async #finish(named: readonly Entry[]): Promise<void> {
    const count = this.#directories.reduce((sum, directories) => sum + directories.count, 0);
    // So that the last look cannot miss a write behind it.
    const tickIsOver = this.#context.root.isStampedPrecisely ? undefined : delay(TICK_MS);
    await this.#commit(named, count, async () => {
      await Promise.all(this.#directories.map((directories) => directories.sync()));
    });
    await tickIsOver;
    const durable = named.filter(({ outcome }) => outcome === undefined);
    if (durable.length === 0) return;
    const found = await this.#jobs.look(durable.map(({ path }) => path));
    for (const [index, entry] of durable.entries()) {
      entry.outcome = outcomeOf(entry, found[index] ?? null, this.#context.versions);
    }
  }

  async #cleanUp(): Promise<void> {
    const { fs, logger } = this.#context;
    for (const { temporary, isNamed } of this.#written) {
      if (isNamed) continue;
      try {
        await fs.unlink(temporary);
      } catch (reason) {
        if (errnoOf(reason) !== 'ENOENT')
          logger.warn({ err: reason }, 'a file of a pack was left for the sweep');
      }
    }
    for (const directories of this.#directories) await directories.close();
  }
}

/** Where a file goes, or why it goes nowhere. */
function placeOf(
  { name, size }: PackFile,
  { options }: UploadContext,
  names: Set<string>,
): Pick<Entry, 'directory' | 'entry' | 'outcome'> {
  try {
    const components = parseName(name);
    requireSize(options.maxSizeBytes, name, size);
    if (names.has(name))
      throw new TransferError('INVALID_ARGUMENT', `${quoteName(name)} is in the pack twice`);
    names.add(name);
    return { directory: components.slice(0, -1), entry: components.at(-1) as string, outcome: undefined };
  } catch (reason) {
    return { directory: [], entry: '', outcome: TransferError.from(reason) };
  }
}

/** Of a file that was named, by what is there now. */
function outcomeOf(
  { file: { name }, ino }: Entry,
  now: FoundEntry | FailedCall | null,
  versions: Versions,
): WriteOutcome {
  if (now === null) return changedAgain(name);
  if ('errno' in now) return writeErrorOf(now.errno, name);
  return now.stats.ino === ino ? { version: versions.of(name, now.stats) } : changedAgain(name);
}

function changedAgain(name: string): TransferError {
  const message = `${quoteName(name)} is changed by somebody else at the same time; look what it is now`;
  return new TransferError('FILE_CHANGED', message);
}
