/**
 * Access control by an access file. A change of the file, or `reload`, replaces
 * all of it at once; a file with a mistake changes nothing.
 */
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Mutex } from '../base/async/mutex.ts';
import { TransferError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Access } from './access.ts';
import { readAccessFile } from './access-file.ts';
import { type AccessRequest, Authenticator } from './authenticator.ts';
import type { Identity } from './identity.ts';
import { FilePolicy } from './policy.ts';
import { KeySet } from './proofs/key-set.ts';
import type { QuotaRule } from './quota.ts';
import { unknownCaller } from './unauthenticated.ts';

/** How often it is seen whether the file has changed: by its stat, which also sees what replaced it. */
const LOOK_EVERY_MS = 2_000;

interface InForce {
  readonly authenticator: Authenticator;
  readonly policy: FilePolicy;
  readonly quotas: readonly QuotaRule[];
  /** By place: another reading of the file goes on with those that it names, too. */
  readonly keySets: ReadonlyMap<string, KeySet>;
}

export interface FileAccessOptions {
  readonly logger: Logger;
  /** Clients are asked for certificates. */
  readonly hasClientCa: boolean;
  /** How often it is seen whether the file has changed. Default: LOOK_EVERY_MS. */
  readonly lookEveryMs?: number;
}

export class FileAccess implements Access {
  readonly what = 'access file';
  readonly keys = ['access'];
  readonly #options: FileAccessOptions;
  readonly #turn = new Mutex();
  readonly #listeners: (() => void)[] = [];
  readonly #timer: NodeJS.Timeout;
  #inForce: InForce;
  #path: string;
  /** Of the file that is in force. */
  #stamp: string;
  /** Of the file at the last try, which may have a mistake. */
  #judged: string;

  /**
   * Reads the file `path`.
   *
   * @throws TransferError INVALID_CONFIG, with all mistakes of the file.
   */
  static async open(path: string, options: FileAccessOptions): Promise<FileAccess> {
    const stamp = await stampOf(path);
    return new FileAccess(path, options, await read(path, options, new Map()), stamp);
  }

  constructor(path: string, options: FileAccessOptions, inForce: InForce, stamp: string) {
    const { lookEveryMs = LOOK_EVERY_MS } = options;
    this.#path = path;
    this.#options = options;
    this.#inForce = inForce;
    this.#stamp = stamp;
    this.#judged = stamp;
    this.#timer = setInterval(() => void this.#turn.run(() => this.#look()), lookEveryMs).unref();
  }

  get policy(): FilePolicy {
    return this.#inForce.policy;
  }

  get quotas(): readonly QuotaRule[] {
    return this.#inForce.quotas;
  }

  identify(request: AccessRequest): Identity | Promise<Identity> {
    const { authenticator, policy } = this.#inForce;
    const identity = authenticator.identify(request);
    if (identity instanceof Promise || identity.proof !== 'anonymous') return identity;
    if (policy.admitsAnonymous) return identity;
    throw unknownCaller();
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Reads the file that `access` names. Throws INVALID_CONFIG, and changes nothing, when it cannot be used. */
  reload({ access: path }: { readonly access: string }): Promise<string | null> {
    return this.#turn.run(async () => {
      if (path === '') {
        const message =
          'access cannot be unset while the server runs: everybody could do everything; restart it';
        throw new TransferError('INVALID_CONFIG', message);
      }
      const before = this.#stamp;
      await this.#read(path);
      return this.#stamp === before ? null : `${path} is in force`;
    });
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if ((await stampOf(this.#path)) === this.#judged) return;
    try {
      await this.#read(this.#path);
      this.#options.logger.info({ access: this.#path }, 'the access file has changed, and is in force');
    } catch (reason) {
      const { message: problem } = TransferError.from(reason);
      this.#options.logger.error(
        { problem },
        'the access file cannot be used; the last good one stays in force',
      );
    }
  }

  async #read(path: string): Promise<void> {
    // Before the file is read: a change meanwhile is seen by the next look.
    const stamp = await stampOf(path);
    this.#judged = stamp;
    this.#inForce = await read(path, this.#options, this.#inForce.keySets);
    this.#path = path;
    this.#stamp = stamp;
    for (const listener of this.#listeners) listener();
  }
}

async function read(
  path: string,
  { hasClientCa, logger }: FileAccessOptions,
  before: ReadonlyMap<string, KeySet>,
): Promise<InForce> {
  const rules = await readAccessFile(path);
  if (rules.certificates.length > 0 && !hasClientCa) {
    const message = `access ${path}: certificates are never presented without tls.clientCa; set it, or remove them`;
    throw new TransferError('INVALID_CONFIG', message);
  }
  const keySets = new Map<string, KeySet>();
  const keysAt = (written: string) => {
    const place = written.includes('://') ? written : resolve(dirname(path), written);
    const keys = keySets.get(place) ?? before.get(place) ?? new KeySet(place, logger);
    keySets.set(place, keys);
    return keys;
  };
  return {
    authenticator: new Authenticator(rules, keysAt),
    policy: new FilePolicy(rules),
    quotas: rules.quotas,
    keySets,
  };
}

/** Equal as long as nobody has written to the file or replaced it; a file that is gone has one, too. */
async function stampOf(path: string): Promise<string> {
  try {
    const { ctimeNs, ino, size } = await stat(path, { bigint: true });
    return `${ino} ${size} ${ctimeNs}`;
  } catch {
    return 'none';
  }
}
