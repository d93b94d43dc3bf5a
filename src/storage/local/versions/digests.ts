/**
 * SHA-256 of whole files, computed when somebody asks, and remembered.
 *
 * Callers that ask for one content at the same time share one computation. It
 * goes on when they leave, for those who come next; one that has not begun is
 * dropped with its last caller, so callers bound how many wait.
 */
import { type BigIntStats, fstat, fsync } from 'node:fs';
import { promisify } from 'node:util';
import type { RefCountedResource } from '../../../base/async/ref-counted-resource.ts';
import { TransferError } from '../../../base/errors.ts';
import type { EntryStats } from '../../../base/files/entry-stats.ts';
import { identityVersionOf } from '../../../base/files/file-version.ts';
import { quoteName } from '../../quoted-name.ts';
import type { KeptDigests } from './kept-digests.ts';

/** SHA-256 of the first `size` bytes of a file. */
export type HashFile = (fd: number, size: number) => Promise<Uint8Array>;

/** An open file. */
export interface HashedFile {
  readonly name: string;
  readonly fd: number;
  /** Settled: any write behind it changes it. */
  readonly look: EntryStats;
  /** Keeps the descriptor open. */
  readonly use: RefCountedResource;
}

interface Computation extends HashedFile {
  readonly result: Promise<string>;
  readonly settle: (result: Promise<string>) => void;
  readonly release: () => void;
  callers: number;
  hasBegun: boolean;
}

/** A large file must not hold up a small one. */
const AT_ONCE = 2;

const statOf: (fd: number, options: { bigint: true }) => Promise<BigIntStats> = promisify(fstat);
const syncFile = promisify(fsync);

export class Digests {
  readonly kept: KeptDigests;
  readonly #hash: HashFile;
  readonly #byIdentity = new Map<string, Computation>();
  readonly #waiting: Computation[] = [];
  #running = 0;

  constructor(hash: HashFile, kept: KeptDigests) {
    this.#hash = hash;
    this.kept = kept;
  }

  /**
   * In hexadecimal.
   *
   * @param signal aborts when the caller does not wait any more; its reason is thrown then, as a TransferError
   * @throws TransferError FILE_CHANGED where the file is not the same behind the last read, DATA_LOSS, UNAVAILABLE
   */
  async of(file: HashedFile, signal?: AbortSignal): Promise<string> {
    const { identity } = file.look;
    const known = this.kept.get(file.name, identity);
    if (known !== undefined) return known;
    const computation = this.#byIdentity.get(identity) ?? this.#enqueue(file);
    computation.callers += 1;
    try {
      return await unlessAborted(computation.result, signal);
    } finally {
      computation.callers -= 1;
      this.#dropUnwanted(computation);
    }
  }

  #enqueue(file: HashedFile): Computation {
    const release = file.use.hold();
    let settle: Computation['settle'] = () => {};
    const result = new Promise<string>((resolve) => {
      settle = resolve;
    });
    // Nobody may be there any more when it fails.
    result.catch(() => {});
    const computation = { ...file, result, settle, release, callers: 0, hasBegun: false };
    this.#byIdentity.set(file.look.identity, computation);
    this.#waiting.push(computation);
    // Once the first caller is counted.
    queueMicrotask(() => this.#begin());
    return computation;
  }

  #begin(): void {
    while (this.#running < AT_ONCE) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      next.hasBegun = true;
      this.#running += 1;
      next.settle(
        this.#compute(next).finally(() => {
          this.#running -= 1;
          this.#end(next);
          this.#begin();
        }),
      );
    }
  }

  #dropUnwanted(computation: Computation): void {
    if (computation.hasBegun || computation.callers > 0) return;
    this.#waiting.splice(this.#waiting.indexOf(computation), 1);
    this.#end(computation);
  }

  #end({ look, release }: Computation): void {
    this.#byIdentity.delete(look.identity);
    release();
  }

  async #compute({ fd, look: { identity, size }, name }: Computation): Promise<string> {
    // A record must not outlive bytes that a power cut takes.
    const isDurable = await syncFile(fd).then(
      () => true,
      () => false,
    );
    const [hashed] = await Promise.allSettled([this.#hash(fd, size)]);
    // Where it has shrunk, that is why it could not be read.
    if (identityVersionOf(await statOf(fd, { bigint: true })) !== identity) {
      const message = `${quoteName(name)} changed while its digest was computed; ask again`;
      throw new TransferError('FILE_CHANGED', message);
    }
    if (hashed.status === 'rejected') throw hashed.reason;
    const sha256 = Buffer.from(hashed.value).toString('hex');
    this.kept.set({ name, identity, sha256 }, isDurable);
    return sha256;
  }
}

async function unlessAborted<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await result;
  signal.throwIfAborted();
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(TransferError.from(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([result, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
