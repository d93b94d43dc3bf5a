/**
 * Looks through the directory of uploads at the start and from time to time: gets
 * to know what earlier processes left, and removes what has expired and what a
 * crash left half made or half removed. Reads one journal at a time.
 */
import { errnoOf } from '../../base/errors.ts';
import { readJournal } from './journal.ts';
import { JournalState } from './journal-state.ts';
import type { LocalUpload } from './local-upload.ts';
import type { NameLocks } from './name-locks.ts';
import type { UploadContext } from './options.ts';
import { removeUploadFile, removeUploadFiles } from './remove-upload.ts';
import { parseUploadEntry, type UploadEntryKind } from './upload-id.ts';

/** Uploads stay at most this much longer than their expiry. */
const MAX_INTERVAL_MS = 600_000;
const MIN_INTERVAL_MS = 1000;
const LOOKS_PER_EXPIRY = 4;

type UploadKinds = ReadonlySet<UploadEntryKind>;

export class Sweep {
  readonly #context: UploadContext;
  readonly #ids: NameLocks;
  readonly #loaded: (id: string) => LocalUpload | undefined;
  #timer: NodeJS.Timeout | undefined;
  #firstLook: Promise<void> | undefined;
  #looking: Promise<void> = Promise.resolve();
  #hasEnded = false;

  /** `ids` are the turns that loading an upload takes as well; `loaded` has those that are in use. */
  constructor(context: UploadContext, ids: NameLocks, loaded: (id: string) => LocalUpload | undefined) {
    this.#context = context;
    this.#ids = ids;
    this.#loaded = loaded;
  }

  /** The directory of uploads is open. Safe to call twice. */
  begin(): void {
    if (this.#firstLook !== undefined || this.#hasEnded) return;
    this.#firstLook = this.#lookAgain();
    const intervalMs = this.#context.options.expiryMs / LOOKS_PER_EXPIRY;
    this.#timer = setInterval(
      () => void this.#lookAgain(),
      Math.min(Math.max(intervalMs, MIN_INTERVAL_MS), MAX_INTERVAL_MS),
    ).unref();
  }

  /** Resolves when what earlier processes left is known. */
  async hasLooked(): Promise<void> {
    await this.#firstLook;
  }

  /** Resolves when nothing is under way. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    clearInterval(this.#timer);
    await this.#looking;
  }

  /** Removes what is remembered beyond the limit. */
  forgetSuperfluous(): void {
    const id = this.#context.index.superfluous;
    if (id === undefined) return;
    this.#context.index.forget(id);
    this.#looking = Promise.all([this.#looking, this.#orLog(() => this.#remove(id))]).then(() => undefined);
  }

  /** One look behind the other. */
  #lookAgain(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#orLog(() => this.#look()));
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { directory, index, now, options } = this.#context;
    for (const [id, kinds] of kindsById(await directory.entries())) {
      if (this.#hasEnded) return;
      if (!index.has(id)) await this.#orLog(() => this.#ids.run(id, () => this.#getToKnow(id, kinds)));
    }
    const expiredMs = now() - options.expiryMs;
    for (const id of index.untouchedSince(expiredMs)) {
      if (this.#hasEnded) return;
      await this.#orLog(() => this.#ids.run(id, () => this.#expire(id, expiredMs)));
    }
  }

  async #getToKnow(id: string, kinds: UploadKinds): Promise<void> {
    const { index } = this.#context;
    const content = kinds.has('journal') ? await readJournal(this.#context, id) : undefined;
    const state = content === undefined ? undefined : JournalState.of(content.records);
    if (index.has(id)) return;
    if (state === undefined) {
      await this.#removeOrphan(id, kinds);
    } else if (state.finished !== undefined) {
      index.noteFinished(id, state.touchedMs);
      // A second name of the published file, or nothing.
      await removeUploadFile(this.#context, id, 'part');
    } else {
      const { spec, committed, touchedMs } = state;
      index.noteOpen(id, { declaredSize: spec.expected.size, receivedSize: committed.bytes, touchedMs });
    }
  }

  /** A part without a journal has no promised bytes; nor has a journal without a beginning, or of a newer version. */
  async #removeOrphan(id: string, kinds: UploadKinds): Promise<void> {
    const { fs, directory, now, options } = this.#context;
    for (const kind of kinds) {
      try {
        const { mtimeMs } = await fs.lstat(directory.pathOf(id, kind));
        if (now() - Number(mtimeMs) < options.expiryMs) return;
      } catch (reason) {
        if (errnoOf(reason) !== 'ENOENT') throw reason;
      }
    }
    await this.#remove(id);
  }

  async #expire(id: string, expiredMs: number): Promise<void> {
    const { index } = this.#context;
    if (!index.isUntouchedSince(id, expiredMs)) return;
    const upload = this.#loaded(id);
    if (upload !== undefined) {
      await upload.expireIfOld();
      return;
    }
    await this.#remove(id);
    index.forget(id);
  }

  async #remove(id: string): Promise<void> {
    await removeUploadFiles(this.#context, id);
  }

  async #orLog(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (reason) {
      this.#context.logger.warn({ err: reason }, 'looking through unfinished uploads failed');
    }
  }
}

function kindsById(entries: readonly string[]): Map<string, Set<UploadEntryKind>> {
  const byId = new Map<string, Set<UploadEntryKind>>();
  for (const entry of entries) {
    const parsed = parseUploadEntry(entry);
    if (parsed === undefined) continue;
    const kinds = byId.get(parsed.id) ?? new Set();
    byId.set(parsed.id, kinds.add(parsed.kind));
  }
  return byId;
}
