/**
 * A store in memory, as far as a distant one as a test wants: each of its calls
 * takes up to `latencyMs`, and the engine reaches its bytes by asynchronous reads
 * and writes only. It keeps what the seam promises; what a process loses, it does
 * not: it goes on with the next server. Tests hold it up at any of its calls.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { KeyedMutex } from '../../../src/base/async/keyed-mutex.ts';
import { TransferError } from '../../../src/base/errors.ts';
import type { Reader } from '../../../src/storage/byte-source.ts';
import { parseName } from '../../../src/storage/name.ts';
import type { PackJobs } from '../../../src/storage/pack-jobs.ts';
import type {
  FileIdentity,
  Listed,
  OpenFile,
  Store,
  StoreEntry,
  StoreListOptions,
} from '../../../src/storage/store.ts';
import type {
  PackFile,
  UploadSpec,
  UploadStore,
  WriteCondition,
  WriteOutcome,
} from '../../../src/storage/upload-store.ts';
import { Random } from '../seed.ts';
import { listingOf } from './memory-listing.ts';
import { MemoryUpload, type UploadHost } from './memory-upload.ts';

/** Calls that a test can hold up. */
export type Step = 'start' | 'find' | 'openWriter' | 'sync' | 'finish';

export interface MemoryStoreOptions {
  /** A directory for the bytes of uploads, to which workers write by descriptors. Default: they are in memory. */
  partsDirectory?: string;
  /** The most that a call takes. Default: 0, a turn of the event loop. */
  latencyMs?: number;
}

interface StoredFile {
  readonly bytes: Buffer;
  readonly identity: FileIdentity;
}

export class MemoryStore implements Store, UploadStore, UploadHost {
  readonly uploads = new Map<string, MemoryUpload>();
  readonly partsDirectory: string | undefined;
  /** Held while what a name stands for is changed. */
  readonly names = new KeyedMutex();
  /** The most bytes of a file. */
  maxBytes = Number.MAX_SAFE_INTEGER;
  /** Files that are open, and reads and writes that have not ended. */
  inUse = 0;
  readonly #files = new Map<string, StoredFile>();
  /** Those that were made; others are there while there is something in them. */
  readonly #directories = new Map<string, StoreEntry>();
  readonly #latencyMs: number;
  /** The same in each run: it only has to differ from call to call. */
  readonly #random = new Random(1);
  /** What a step waits for. */
  readonly #holds = new Map<Step, Promise<void>>();
  /** Those that wait. */
  readonly #held = new Set<Step>();
  #changes = 0;

  constructor({ partsDirectory, latencyMs = 0 }: MemoryStoreOptions = {}) {
    this.partsDirectory = partsDirectory;
    this.#latencyMs = latencyMs;
  }

  // What tests do to it.

  /** Of all files, sorted. */
  get fileNames(): string[] {
    return [...this.#files.keys()].sort();
  }

  /** The content of a file; undefined where there is none. */
  content(name: string): Buffer | undefined {
    return this.#files.get(name)?.bytes;
  }

  /** Gives `name` this content, and a version of its own. It has a mode only where it got one. */
  put(
    name: string,
    bytes: Buffer,
    version = `v-${++this.#changes}`,
    { mode, modifiedMs = 1e12 }: Pick<UploadSpec, 'mode' | 'modifiedMs'> = {},
  ): FileIdentity {
    const known = { name, size: bytes.length, version, modifiedMs };
    const identity = mode === undefined ? known : { ...known, mode: mode & 0o777 };
    this.#files.set(name, { bytes, identity });
    return identity;
  }

  /** Makes every such step wait until the result is called. */
  hold(step: Step): () => void {
    let release: () => void = () => {};
    this.#holds.set(step, new Promise((resolve) => (release = resolve)));
    return () => {
      this.#holds.delete(step);
      this.#held.delete(step);
      release();
    };
  }

  /** Some call waits at this step. */
  isHeld(step: Step): boolean {
    return this.#held.has(step);
  }

  get openWriters(): number {
    return [...this.uploads.values()].reduce((sum, { writers }) => sum + writers, 0);
  }

  /** What each call takes, and what a test holds it up for. */
  async passed(step?: Step): Promise<void> {
    const hold = step === undefined ? undefined : this.#holds.get(step);
    if (step !== undefined && hold !== undefined) this.#held.add(step);
    await hold;
    await delay(this.#latencyMs * this.#random.next());
  }

  /** As `passed`, for a transfer of bytes: it ends with its signal. */
  async moved(signal: AbortSignal): Promise<void> {
    this.inUse += 1;
    try {
      await delay(this.#latencyMs * this.#random.next(), undefined, { signal });
    } finally {
      this.inUse -= 1;
    }
  }

  // Store

  async open(name: string): Promise<OpenFile> {
    parseName(name);
    await this.passed();
    const { bytes, identity } = this.#file(name);
    this.inUse += 1;
    let isOpen = true;
    const source: Reader = {
      kind: 'reader',
      read: async (target, offset, signal) => {
        await this.moved(signal);
        const piece = bytes.subarray(offset, offset + target.length);
        target.set(piece);
        return piece.length;
      },
    };
    return {
      identity,
      source,
      verifyUnchanged: async () => {
        await this.passed();
        const now = this.#files.get(name)?.identity.version;
        if (now === identity.version) return;
        const options = now === undefined ? {} : { version: now };
        throw new TransferError('FILE_CHANGED', `${name} was replaced; start over`, options);
      },
      close: async () => {
        if (isOpen) this.inUse -= 1;
        isOpen = false;
      },
    };
  }

  async stat(name: string): Promise<FileIdentity> {
    parseName(name);
    await this.passed();
    return this.#file(name).identity;
  }

  async *list(prefix: string, options: StoreListOptions): AsyncGenerator<Listed, void, undefined> {
    await this.passed();
    const files = Array.from(this.#files.values(), ({ identity }) => identity);
    yield* listingOf(files, [...this.#directories.values()], prefix, options);
  }

  // UploadStore

  async start(spec: UploadSpec): Promise<MemoryUpload> {
    parseName(spec.name);
    await this.passed('start');
    const id = spec.id ?? `upload-${this.uploads.size + 1}`;
    const started = this.uploads.get(id);
    if (started !== undefined) {
      if (started.name === spec.name && started.owner === spec.owner) return started;
      throw new TransferError('INVALID_ARGUMENT', 'there is an upload of this upload_id, of another file');
    }
    this.check(spec.name, spec.condition);
    const upload = new MemoryUpload(this, id, spec);
    this.uploads.set(id, upload);
    return upload;
  }

  async find(id: string): Promise<MemoryUpload> {
    await this.passed('find');
    const upload = this.uploads.get(id);
    if (upload === undefined) throw new TransferError('UPLOAD_NOT_FOUND', 'there is no such upload');
    return upload;
  }

  async writePack(files: readonly PackFile[], jobs: PackJobs): Promise<WriteOutcome[]> {
    const content = Buffer.from(await jobs.read());
    let at = 0;
    const outcomes: WriteOutcome[] = [];
    for (const file of files) {
      outcomes.push(await this.#writeFile(file, content.subarray(at, at + file.size)));
      at += file.size;
    }
    return outcomes;
  }

  async #writeFile({ name, condition, size }: PackFile, bytes: Buffer): Promise<WriteOutcome> {
    try {
      parseName(name);
      return await this.names.run(name, async () => {
        await this.passed();
        if (size > this.maxBytes) throw new TransferError('TOO_LARGE', `${name} is too large`);
        this.check(name, condition);
        return this.put(name, bytes);
      });
    } catch (reason) {
      return TransferError.from(reason);
    }
  }

  async delete(name: string, condition: WriteCondition): Promise<void> {
    parseName(name);
    await this.names.run(name, async () => {
      await this.passed();
      this.#file(name);
      this.check(name, condition);
      this.#files.delete(name);
    });
  }

  async deleteDirectory(name: string): Promise<void> {
    parseName(name);
    await this.passed();
    if (this.#files.has(name)) throw new TransferError('NOT_A_FILE', `${name} is no directory`);
    if (this.#hasContent(name)) throw new TransferError('NOT_EMPTY', `${name} is not empty`);
    if (!this.#directories.delete(name)) throw new TransferError('NOT_FOUND', `there is no ${name}`);
  }

  async makeDirectory(name: string, mode?: number): Promise<void> {
    const components = parseName(name);
    await this.passed();
    const names = components.map((_, index) => components.slice(0, index + 1).join('/'));
    const inTheWay = names.find((each) => this.#files.has(each));
    if (inTheWay !== undefined) throw new TransferError('NOT_A_FILE', `${inTheWay} is a file`);
    for (const each of names) {
      if (this.#isDirectory(each)) continue;
      const directory = { name: each, isDirectory: true, size: 0, modifiedMs: 1e12, version: '' };
      const isGiven = each === name && mode !== undefined;
      this.#directories.set(each, isGiven ? { ...directory, mode: mode & 0o777 } : directory);
    }
  }

  async close(): Promise<void> {}

  forget(id: string): void {
    this.uploads.delete(id);
  }

  /** Throws where the name does not meet the condition of a writer. */
  check(name: string, condition: WriteCondition): void {
    if (this.#isDirectory(name)) throw new TransferError('NOT_A_FILE', `${name} is a directory`);
    const version = this.#files.get(name)?.identity.version;
    if (condition.kind === 'absent' && version !== undefined) {
      throw new TransferError('ALREADY_EXISTS', `${name} exists already`);
    }
    if (condition.kind === 'version' && condition.version !== version) {
      const options = version === undefined ? {} : { version };
      throw new TransferError('VERSION_MISMATCH', `${name} has another version`, options);
    }
  }

  #file(name: string): StoredFile {
    const file = this.#files.get(name);
    if (file !== undefined) return file;
    if (this.#isDirectory(name)) throw new TransferError('NOT_A_FILE', `${name} is a directory`);
    throw new TransferError('NOT_FOUND', `there is no ${name}`);
  }

  #isDirectory(name: string): boolean {
    return this.#directories.has(name) || this.#hasContent(name);
  }

  #hasContent(name: string): boolean {
    return [...this.#files.keys(), ...this.#directories.keys()].some((each) => each.startsWith(`${name}/`));
  }
}
