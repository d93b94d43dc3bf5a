/**
 * A pack of a store whose files the event loop reads: by what every store has, each
 * file is opened, read, verified and closed; or by what the store has for it. A few
 * files are read at the same time.
 *
 * A file whose leading byte was read as 0 never turns into zeros behind it; a
 * read that begins inside of a file waits for what the one before it found.
 */
import { read as readDescriptor } from 'node:fs';
import { promisify } from 'node:util';
import { Semaphore } from '../base/async/semaphore.ts';
import { TransferError } from '../base/errors.ts';
import { type FileSource, packedFileChanged, type Reader } from './byte-source.ts';
import { PackLayout } from './pack-layout.ts';
import type { OpenFile, OpenPack, PackedFile, Store } from './store.ts';

/** Files of one read that are open at the same time; with more listeners of one signal Node would warn. */
const FILES_AT_ONCE = 8;

const readAt = promisify(readDescriptor);

/** A pack of `files`, by what the store has for it, or else by `open`. Throws a TransferError. */
export async function openPack(store: Store, files: readonly PackedFile[]): Promise<OpenPack> {
  if (store.openPack !== undefined) return await store.openPack(files);
  return packByReading(files, (file, content, position, signal) =>
    readByOpening(store, file, content, position, signal),
  );
}

/**
 * Fills `content` with the bytes of a file from `position` on; false when the file is not as asked, whatever is in
 * `content` then. Settles once nobody writes to it any more. Throws what is no word on the file.
 */
type ReadPacked = (
  file: PackedFile,
  content: Uint8Array<SharedArrayBuffer>,
  position: number,
  signal: AbortSignal,
) => Promise<boolean>;

/** A pack of `files`, each of which `read` reads. */
export function packByReading(files: readonly PackedFile[], read: ReadPacked): OpenPack {
  const reader = new PackReader(read, files);
  return { size: reader.layout.size, source: reader, close: async () => {} };
}

class PackReader implements Reader {
  readonly kind = 'reader';
  readonly layout: PackLayout;
  readonly #readFile: ReadPacked;
  readonly #files: readonly PackedFile[];
  /** Of files whose leading byte was read: whether it is 0. */
  readonly #isWhole = new Map<number, Promise<boolean>>();

  constructor(read: ReadPacked, files: readonly PackedFile[]) {
    this.#readFile = read;
    this.#files = files;
    this.layout = new PackLayout(files);
  }

  async read(target: Uint8Array<SharedArrayBuffer>, offset: number, signal: AbortSignal): Promise<number> {
    const bytes = Math.min(target.length, this.layout.size - offset);
    if (bytes <= 0) return 0;
    const semaphore = new Semaphore(FILES_AT_ONCE);
    const reads: Promise<void>[] = [];
    const last = this.layout.fileAt(offset + bytes - 1);
    for (let file = this.layout.fileAt(offset); file <= last; file++) {
      const start = this.layout.startOf(file);
      const from = Math.max(start, offset);
      const to = Math.min(start + 1 + (this.#files[file] as PackedFile).size, offset + bytes);
      const part = target.subarray(from - offset, to - offset);
      reads.push(this.#readPart(file, part, from - start, signal, semaphore));
    }
    // Only once all have settled does nobody write to the target any more.
    for (const result of await Promise.allSettled(reads)) {
      if (result.status === 'rejected') throw result.reason;
    }
    return bytes;
  }

  /** Fills `part` with the bytes of a file from `skipBytes` on, of which the first is the leading one. */
  async #readPart(
    file: number,
    part: Uint8Array<SharedArrayBuffer>,
    skipBytes: number,
    signal: AbortSignal,
    semaphore: Semaphore,
  ): Promise<void> {
    const leads = skipBytes === 0;
    const content = leads ? part.subarray(1) : part;
    const position = leads ? 0 : skipBytes - 1;
    // Both ends of a file may be read at the same time: what the leading one finds must be known to come.
    const asked = this.#files[file] as PackedFile;
    const reading = semaphore.run(() => this.#readFile(asked, content, position, signal));
    if (leads) this.#isWhole.set(file, reading);
    const isWhole = await reading;
    if (leads) part[0] = isWhole ? 0 : 1;
    if (isWhole) return;
    content.fill(0);
    if (leads || (await this.#isWhole.get(file)) === false) return;
    throw packedFileChanged();
  }
}

async function readByOpening(
  store: Pick<Store, 'open'>,
  { fileName, size, version }: PackedFile,
  content: Uint8Array<SharedArrayBuffer>,
  position: number,
  signal: AbortSignal,
): Promise<boolean> {
  let file: OpenFile | undefined;
  try {
    signal.throwIfAborted();
    file = await store.open(fileName, { ifMatch: version, signal });
    if (file.identity.size !== size || file.identity.version !== version) return false;
    if ((await readFrom(file.source, content, position, signal)) < content.length) return false;
    await file.verifyUnchanged();
    return true;
  } catch (reason) {
    // An end of the read is no word on the file.
    signal.throwIfAborted();
    if (reason instanceof TransferError) return false;
    throw reason;
  } finally {
    await file?.close();
  }
}

async function readFrom(
  source: FileSource,
  content: Uint8Array<SharedArrayBuffer>,
  position: number,
  signal: AbortSignal,
): Promise<number> {
  if (source.kind === 'reader') return await source.read(content, position, signal);
  let done = 0;
  while (done < content.length) {
    const { bytesRead } = await readAt(source.fd, content, done, content.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
