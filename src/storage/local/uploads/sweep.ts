/**
 * Scans the directory of uploads at the start and from time to time: indexes
 * uploads of earlier processes, and removes expired ones and those that a crash
 * left incomplete. Reads one journal at a time.
 */
import { errnoOf } from '../../../base/errors.ts';
import { EMPTY_UPLOAD_EXPIRY_MS } from '../../../base/limits.ts';
import { readJournal } from './journal/journal.ts';
import { JournalState } from './journal/journal-state.ts';
import type { LoadedUploads } from './loaded-uploads.ts';
import type { UploadContext } from './options.ts';
import type { Packs } from './packs/packs.ts';
import { removeFile, removeUploadFile, removeUploadFiles } from './remove-upload.ts';
import { packOfEntry, parseUploadEntry, type UploadEntryKind } from './upload-id.ts';

/** Uploads stay at most this much longer than their expiry. */
const MAX_INTERVAL_MS = 600_000;
const MIN_INTERVAL_MS = 1000;
const LOOKS_PER_EXPIRY = 4;

type UploadKinds = ReadonlySet<UploadEntryKind>;

export class Sweep {
  readonly #context: UploadContext;
  readonly #uploads: LoadedUploads;
  readonly #packs: Pick<Packs, 'has'>;
  readonly #timers: NodeJS.Timeout[] = [];
  #firstLook: Promise<void> | undefined;
  #looking: Promise<void> = Promise.resolve();
  #hasEnded = false;

  constructor(context: UploadContext, uploads: LoadedUploads, packs: Pick<Packs, 'has'>) {
    this.#context = context;
    this.#uploads = uploads;
    this.#packs = packs;
  }

  /** The directory of uploads is open. Safe to call twice. */
  begin(): void {
    if (this.#firstLook !== undefined || this.#hasEnded) return;
    this.#firstLook = this.#afterLast(() => this.#look());
    const { expiryMs } = this.#context.options;
    const emptyMs = Math.min(expiryMs, EMPTY_UPLOAD_EXPIRY_MS);
    this.#every(expiryMs / LOOKS_PER_EXPIRY, () => this.#look());
    this.#every(emptyMs / LOOKS_PER_EXPIRY, () => this.#expireOld());
  }

  #every(intervalMs: number, work: () => Promise<void>): void {
    const withinMs = Math.min(Math.max(intervalMs, MIN_INTERVAL_MS), MAX_INTERVAL_MS);
    this.#timers.push(setInterval(() => void this.#afterLast(work), withinMs).unref());
  }

  /** Resolves when what earlier processes left is known. */
  async hasLooked(): Promise<void> {
    await this.#firstLook;
  }

  /** Resolves when nothing is under way. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    for (const timer of this.#timers) clearInterval(timer);
    await this.#looking;
  }

  /** Discards an unfinished upload that no call works on, because its place is needed. */
  async giveUp(id: string): Promise<void> {
    await this.#ifFree(id, async () => {
      const upload = this.#uploads.get(id);
      if (upload !== undefined) await upload.giveUp();
      else {
        await this.#lookAgain(id);
        if (this.#context.index.isOpen(id)) await this.#forget(id);
      }
    });
  }

  /** What another process works on, it counts and expires itself. */
  async #ifFree(id: string, work: () => Promise<void>): Promise<void> {
    if (!(await this.#uploads.ifFree(id, work))) this.#context.index.forget(id);
  }

  /** Another process may have gone on with it, and have left it again. */
  async #lookAgain(id: string): Promise<void> {
    const { index, locks } = this.#context;
    if (locks.number === null) return;
    index.forget(id);
    await this.#getToKnow(id, new Set(['journal']));
  }

  /** Removes what is remembered beyond the limit. */
  forgetSuperfluous(): void {
    const id = this.#context.index.superfluous;
    if (id === undefined) return;
    this.#context.index.forget(id);
    this.#looking = Promise.all([this.#looking, this.#orLog(() => this.#remove(id))]).then(() => undefined);
  }

  /** Runs sweeps one after the other. */
  #afterLast(work: () => Promise<void>): Promise<void> {
    this.#looking = this.#looking.then(() => this.#orLog(work));
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { directory, index } = this.#context;
    const entries = await directory.entries();
    await this.#removePackFiles(entries);
    for (const [id, kinds] of kindsById(entries)) {
      if (this.#hasEnded) return;
      if (!index.has(id))
        await this.#orLog(() =>
          this.#uploads.ids.run(id, () => this.#ifFree(id, () => this.#getToKnow(id, kinds))),
        );
    }
    await this.#expireOld();
  }

  /** Files of packs whose process is gone: nobody was told of them, and they will get no name. */
  async #removePackFiles(entries: readonly string[]): Promise<void> {
    const { fs, directory } = this.#context;
    for (const entry of entries) {
      const id = packOfEntry(entry);
      if (this.#hasEnded) return;
      if (id !== undefined && !this.#packs.has(id))
        await this.#orLog(() => this.#ifFree(id, () => removeFile(fs, directory.pathOfEntry(entry))));
    }
  }

  async #expireOld(): Promise<void> {
    const { index, now, options } = this.#context;
    const { expiryMs } = options;
    const emptyMs = Math.min(EMPTY_UPLOAD_EXPIRY_MS, expiryMs);
    const nowMs = now();
    for (const id of index.expired(nowMs, expiryMs, emptyMs)) {
      if (this.#hasEnded) return;
      await this.#orLog(() => this.#uploads.ids.run(id, () => this.#expire(id, nowMs - emptyMs)));
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
      // At most a second name of the published file.
      await removeUploadFile(this.#context, id, 'part');
    } else {
      const { committed, spec, touchedMs } = state;
      index.noteOpen(id, { receivedSize: committed.bytes, touchedMs }, spec.owner);
    }
  }

  /** A partial file without a journal holds no acknowledged bytes; nor does a journal without a beginning, or of a newer version. */
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

  async #expire(id: string, untouchedSinceMs: number): Promise<void> {
    if (!this.#context.index.isUntouchedSince(id, untouchedSinceMs)) return;
    await this.#ifFree(id, async () => {
      const upload = this.#uploads.get(id);
      if (upload !== undefined) {
        await upload.expireIfOld();
        return;
      }
      await this.#lookAgain(id);
      if (this.#context.index.isUntouchedSince(id, untouchedSinceMs)) await this.#forget(id);
    });
  }

  async #forget(id: string): Promise<void> {
    await this.#remove(id);
    this.#context.index.forget(id);
  }

  async #remove(id: string): Promise<void> {
    await removeUploadFiles(this.#context, id);
  }

  async #orLog(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (reason) {
      this.#context.logger.warn({ err: reason }, 'the sweep of unfinished uploads failed');
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
