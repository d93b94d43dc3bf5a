/**
 * The journal of one upload: append-only, each record synced before anything
 * relies on it. After a failed append the content of the file is unknown, and a
 * long journal is mostly history; the next append then writes a new file, which
 * replaces the old one as a whole. Holds no descriptor.
 */
import { constants } from 'node:fs';
import { Mutex } from '../../../../base/async/mutex.ts';
import { errnoOf } from '../../../../base/errors.ts';
import { writeFully } from '../../../../base/files/write-fully.ts';
import type { Durability } from '../disk/durability.ts';
import type { FileSystem } from '../disk/file-system.ts';
import type { UploadsDirectory } from '../uploads-directory.ts';
import { decodeRecords, encodeRecords, type JournalRecord } from './journal-record.ts';
import type { JournalState } from './journal-state.ts';

/** The journal is rewritten at this size. */
const MAX_JOURNAL_BYTES = 1024 * 1024;

/** A journal of full length and the longest record behind it. A longer file is no journal of this server. */
const MAX_READ_BYTES = 8 * 1024 * 1024;

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } = constants;
const OWNER_ONLY = 0o600;

export interface JournalPlace {
  readonly fs: FileSystem;
  readonly durability: Durability;
  readonly directory: UploadsDirectory;
}

export class Journal {
  readonly id: string;
  readonly state: JournalState;
  readonly #place: JournalPlace;
  readonly #mutex = new Mutex();
  /** Bytes known to be good; appends go behind them. */
  #goodBytes: number;
  /** Whether the file ends with the good bytes. */
  #isTrusted: boolean;

  /** Of the file with `goodBytes` that say `state`; `isTrusted` when there is nothing behind them. */
  constructor(place: JournalPlace, id: string, state: JournalState, goodBytes: number, isTrusted: boolean) {
    this.#place = place;
    this.id = id;
    this.state = state;
    this.#goodBytes = goodBytes;
    this.#isTrusted = isTrusted;
  }

  /** Appends one record and makes it durable. After an error the record may be there or not. */
  async append(record: JournalRecord): Promise<void> {
    await this.#mutex.run(async () => {
      if (this.#isTrusted && this.#goodBytes <= MAX_JOURNAL_BYTES) await this.#append(record);
      else await this.#rewrite([...this.state.records(), record]);
      this.state.apply(record);
    });
  }

  /** Makes sure that the file says what `state` says and nothing else. */
  async repair(): Promise<void> {
    await this.#mutex.run(async () => {
      if (!this.#isTrusted) await this.#rewrite(this.state.records());
    });
  }

  async #append(record: JournalRecord): Promise<void> {
    const bytes = encodeRecords([record]);
    this.#isTrusted = false;
    await this.#writeFile('journal', O_WRONLY | O_NOFOLLOW, bytes, this.#goodBytes);
    this.#goodBytes += bytes.length;
    this.#isTrusted = true;
  }

  async #rewrite(records: readonly JournalRecord[]): Promise<void> {
    const { fs, directory } = this.#place;
    const bytes = encodeRecords(records);
    this.#isTrusted = false;
    await this.#writeFile('new', O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, bytes, 0);
    await fs.rename(directory.pathOf(this.id, 'new'), directory.pathOf(this.id, 'journal'));
    await directory.sync();
    this.#goodBytes = bytes.length;
    this.#isTrusted = true;
  }

  async #writeFile(
    kind: 'journal' | 'new',
    flags: number,
    bytes: Uint8Array,
    position: number,
  ): Promise<void> {
    const { fs, durability, directory } = this.#place;
    const fd = await fs.open(directory.pathOf(this.id, kind), flags, OWNER_ONLY);
    try {
      await writeFully((piece, at) => fs.write(fd, piece, at), bytes, position);
      await durability.data(fd);
    } finally {
      await fs.close(fd);
    }
  }
}

/** Makes the journal of a new upload; its entry is durable once the directory is synced. */
export async function createJournal(place: JournalPlace, id: string, state: JournalState): Promise<Journal> {
  const { fs, durability, directory } = place;
  const bytes = encodeRecords(state.records());
  const fd = await fs.open(directory.pathOf(id, 'journal'), O_WRONLY | O_CREAT | O_EXCL, OWNER_ONLY);
  try {
    await writeFully((piece, at) => fs.write(fd, piece, at), bytes, 0);
    await durability.data(fd);
  } finally {
    await fs.close(fd);
  }
  return new Journal(place, id, state, bytes.length, true);
}

/** What is in the file of a journal. */
export interface JournalContent {
  readonly records: readonly JournalRecord[];
  readonly goodBytes: number;
  /** Whether something else is behind the records. */
  readonly isTorn: boolean;
}

/** Reads a journal; undefined when there is none. Throws system errors. */
export async function readJournal(place: JournalPlace, id: string): Promise<JournalContent | undefined> {
  const { fs, directory } = place;
  let fd: number;
  try {
    fd = await fs.open(directory.pathOf(id, 'journal'), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (reason) {
    if (errnoOf(reason) === 'ENOENT') return undefined;
    throw reason;
  }
  try {
    const bytes = await readAll(fs, fd, Math.min(Number((await fs.fstat(fd)).size), MAX_READ_BYTES));
    const { records, goodBytes } = decodeRecords(bytes);
    return { records, goodBytes, isTorn: goodBytes < bytes.length };
  } finally {
    await fs.close(fd);
  }
}

async function readAll(fs: FileSystem, fd: number, size: number): Promise<Buffer> {
  const bytes = Buffer.alloc(size);
  for (let done = 0; done < size; ) {
    const read = await fs.read(fd, bytes.subarray(done), done);
    if (read === 0) return bytes.subarray(0, done);
    done += read;
  }
  return bytes;
}
