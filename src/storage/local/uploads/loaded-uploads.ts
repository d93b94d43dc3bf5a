/**
 * The unfinished uploads that this process works with, bounded by the index. Each is
 * loaded at most once, when it is asked for, and no other process touches it then.
 */
import { KeyedMutex } from '../../../base/async/keyed-mutex.ts';
import { toWriteError } from './disk/write-error.ts';
import type { Journal } from './journal/journal.ts';
import { recoverUpload } from './journal/recovery.ts';
import { LocalUpload, type UploadEnd } from './local-upload.ts';
import type { UploadContext } from './options.ts';
import { UploadLeases } from './upload-leases.ts';

export class LoadedUploads {
  /** Held while one upload is loaded or removed. */
  readonly ids = new KeyedMutex();
  readonly #context: UploadContext;
  readonly #uploads = new Map<string, LocalUpload>();
  readonly #leases: UploadLeases;
  readonly #onFinished: () => void;

  /** `onFinished` is called when one more finished upload is remembered. */
  constructor(context: UploadContext, onFinished: () => void) {
    this.#context = context;
    this.#leases = new UploadLeases(context.locks, (id) => void this.#handOver(id));
    this.#onFinished = onFinished;
  }

  get(id: string): LocalUpload | undefined {
    return this.#uploads.get(id);
  }

  /** Runs `work` while no other process touches the upload, which stays with this one if it is loaded then. */
  leased<T>(id: string, work: () => Promise<T>): Promise<T> {
    return this.#leases.run(id, work, () => this.#uploads.has(id));
  }

  /** As `leased`; false, and nothing is run, where another process has it. */
  ifFree(id: string, work: () => Promise<void>): Promise<boolean> {
    return this.#leases.runIfFree(id, work);
  }

  /** Whoever calls it holds the id and its lease. Undefined where there is no such upload. */
  async load(id: string): Promise<LocalUpload | undefined> {
    const loaded = this.#uploads.get(id);
    if (loaded !== undefined) return loaded;
    try {
      if (!(await this.#context.directory.openIfThere())) return undefined;
      const journal = await recoverUpload(this.#context, id);
      return journal === undefined ? undefined : this.adopt(journal, true);
    } catch (reason) {
      throw toWriteError(reason, `the upload ${id}`);
    }
  }

  /** Finished ones are not held: their journal answers a second finish. `isRecovered`: not begun by this process. */
  adopt(journal: Journal, isRecovered: boolean): LocalUpload {
    const { index } = this.#context;
    const { id, state } = journal;
    const upload = new LocalUpload(this.#context, journal, isRecovered, (end) => this.#ended(id, end));
    if (state.finished !== undefined) {
      index.noteFinished(id, state.touchedMs);
      return upload;
    }
    const { touchedMs, committed, spec } = state;
    index.noteOpen(id, { receivedSize: committed.bytes, touchedMs }, spec.owner);
    this.#uploads.set(id, upload);
    return upload;
  }

  /** Makes them durable and lets go of them. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#uploads.values(), (upload) => upload.close()));
    this.#leases.releaseAll();
  }

  /** Another process goes on with the upload. */
  async #handOver(id: string): Promise<void> {
    await this.ids.run(id, async () => {
      try {
        await this.#uploads.get(id)?.handOver();
      } finally {
        this.#ended(id, 'gone');
      }
    });
  }

  #ended(id: string, end: UploadEnd): void {
    const { index, now } = this.#context;
    this.#uploads.delete(id);
    this.#leases.release(id);
    if (end === 'gone') {
      index.forget(id);
      return;
    }
    index.noteFinished(id, now());
    this.#onFinished();
  }
}
