/**
 * Digests that are known, by name, in memory and in a file. Bounded: what was
 * used longest ago goes first.
 *
 * Invariant: a digest is told only of the identity that it was computed of. So a
 * file that is lost, torn or old costs a computation, and never says anything
 * wrong.
 */
import { constants } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { errnoOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { type DigestRecord, decodeDigests, encodeDigests } from './digest-record.ts';

/** Of the records in memory, about; the file is written anew at twice as much. Some 25,000 names, which take 10 MiB of heap. */
const MAX_BYTES = 4 * 1024 * 1024;

/** Of one record beside its name, in the file. */
const RECORD_BYTES = 120;

const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const WRITE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const OWNER_ONLY = 0o600;

/** Where the file is: a path for one system call, asked for before each. To write, its directory is made. It may throw. */
type DigestPlace = (to: 'read' | 'write') => Promise<string>;

export class KeptDigests {
  readonly #logger: Logger;
  readonly #maxBytes: number;
  /** By name; the one used longest ago first. */
  readonly #records = new Map<string, DigestRecord>();
  #bytes = 0;
  #place: DigestPlace | undefined;
  #fileBytes = 0;
  /** Those that are not in the file yet, by name. */
  readonly #unwritten = new Map<string, DigestRecord>();
  #writing: Promise<void> = Promise.resolve();

  constructor(logger: Logger, maxBytes: number = MAX_BYTES) {
    this.#logger = logger;
    this.#maxBytes = maxBytes;
  }

  /** Hexadecimal; undefined where it is not known. One of another identity is forgotten, since it is not true any more. */
  get(name: string, identity: string): string | undefined {
    const record = this.#records.get(name);
    if (record === undefined) return undefined;
    if (record.identity !== identity) {
      this.forget(name);
      return undefined;
    }
    this.#records.delete(name);
    this.#records.set(name, record);
    return record.sha256;
  }

  /** Of which content of a file this digest is known; undefined for none. */
  identityOf(name: string, sha256: string): string | undefined {
    const record = this.#records.get(name);
    return record?.sha256 === sha256 ? record.identity : undefined;
  }

  /** @param isDurable the content will survive a power cut, so the record may */
  set(record: DigestRecord, isDurable: boolean): void {
    this.forget(record.name);
    this.#add(record);
    if (this.#place === undefined || !isDurable) return;
    this.#unwritten.set(record.name, record);
    if (this.#unwritten.size === 1) this.#writing = this.#writing.then(() => this.#write());
  }

  forget(name: string): void {
    const record = this.#records.get(name);
    if (record === undefined) return;
    this.#records.delete(name);
    this.#unwritten.delete(name);
    this.#bytes -= bytesOf(record);
  }

  /** Keeps them at `place` from now on, and takes up what is there. Where that fails, they stay in memory. */
  async keepAt(place: DigestPlace): Promise<void> {
    this.#place = place;
    try {
      await this.#read(await place('read'));
    } catch (reason) {
      if (errnoOf(reason) !== 'ENOENT') this.#cannotKeep(reason);
    }
  }

  /** Nothing is written any more once this resolves. */
  async stopKeeping(): Promise<void> {
    await this.#writing;
    this.#place = undefined;
  }

  #add(record: DigestRecord): void {
    this.#records.set(record.name, record);
    this.#bytes += bytesOf(record);
    for (const name of this.#records.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.forget(name);
    }
  }

  async #read(path: string): Promise<void> {
    const file = await open(path, READ_FLAGS);
    try {
      const { size } = await file.stat();
      this.#fileBytes = size;
      // One that is larger than any of ours is not ours.
      if (size > 3 * this.#maxBytes) return;
      for (const record of decodeDigests(await file.readFile('utf8'))) {
        this.forget(record.name);
        this.#add(record);
      }
    } finally {
      await file.close();
    }
  }

  /** Runs once at a time. Does not reject. */
  async #write(): Promise<void> {
    try {
      const path = await this.#place?.('write');
      if (path === undefined || this.#unwritten.size === 0) return;
      if (this.#fileBytes > 2 * this.#maxBytes) await this.#writeAnew(path);
      else await this.#append(path);
    } catch (reason) {
      this.#cannotKeep(reason);
    }
  }

  async #append(path: string): Promise<void> {
    const text = encodeDigests(this.#unwritten.values());
    this.#unwritten.clear();
    await writeTo(path, constants.O_APPEND, text);
    this.#fileBytes += text.length;
  }

  async #writeAnew(path: string): Promise<void> {
    this.#unwritten.clear();
    const text = encodeDigests(this.#records.values());
    await writeTo(`${path}.new`, constants.O_TRUNC, text);
    await rename(`${path}.new`, path);
    this.#fileBytes = text.length;
  }

  #cannotKeep(reason: unknown): void {
    if (this.#place === undefined) return;
    this.#place = undefined;
    this.#unwritten.clear();
    this.#logger.info(
      { reason: errnoOf(reason) ?? String(reason) },
      'digests of files are remembered in memory only: their file cannot be used; set XDG_STATE_HOME to a writable directory',
    );
  }
}

async function writeTo(path: string, how: number, text: string): Promise<void> {
  const file = await open(path, WRITE_FLAGS | how, OWNER_ONLY);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}

function bytesOf({ name }: DigestRecord): number {
  return RECORD_BYTES + name.length;
}
