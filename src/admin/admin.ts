/**
 * What operators may do with a server, however they ask: the gRPC service and the
 * HTTP listener both call these, and here is where rights are checked and the audit
 * is written.
 */
import { type Affected, audit, audited, type Caller as KnownCaller } from '../access/audit.ts';
import type { ServerRight } from '../access/rights.ts';
import { expired, unknownCaller } from '../access/unauthenticated.ts';
import { TransferError } from '../base/errors.ts';
import { writeValue } from '../config/notation.ts';
import { SETTINGS, settingValue } from '../config/settings.ts';
import type {
  CancelTransferRequest,
  CancelTransferResponse,
  DiscardUploadRequest,
  DiscardUploadResponse,
  Event,
  GetConfigResponse,
  GetHistoryRequest,
  GetHistoryResponse,
  Setting,
  WatchRequest,
  WatchResponse,
} from '../wire/admin-messages.ts';
import { HISTORY_INTERVAL_MS, History } from './history.ts';
import { LoopDelay } from './loop-delay.ts';
import { mergedHistory, mergedSnapshot } from './merged.ts';
import type { Observed } from './observed.ts';
import type { Answers, Processes, Question, ToldMetrics } from './processes.ts';
import { localPeersOnly, type MayAdminister } from './rights.ts';
import { Watch, type WatchLimits } from './watch.ts';

/** Whoever asks. */
export interface Caller extends KnownCaller {
  /** Over the loopback interface, or a Unix socket. */
  readonly isLocal: boolean;
}

/** One that is under way. */
export interface Watching {
  readonly intervalMs: number;
  /** Rejects with PERMISSION_DENIED, UNAUTHENTICATED: rights may be taken away, and proofs expire. */
  snapshot(): Promise<WatchResponse>;
  /** Safe to call twice. */
  close(): void;
}

/** Each may hold one snapshot, of a megabyte at most. */
const MAX_WATCHERS = 16;

const DEFAULT_INTERVAL_MS = 1000;
const MIN_INTERVAL_MS = 200;
const MAX_INTERVAL_MS = 60_000;

/** More than the highest number of a process. */
const EVENTS_APART = 256;

/** In one snapshot. */
const DEFAULT_ROWS = 100;
const MAX_ROWS = 1000;

export class Admin {
  readonly observed: Observed;
  readonly #may: MayAdminister;
  readonly #loopDelay: LoopDelay;
  readonly #history: History;
  readonly #processes: Processes;
  #watchers = 0;
  #lastWatch = 0;
  /** What observers see of this process, whichever process they ask; by the id of their watch. */
  readonly #watches = new Map<string, { readonly watch: Watch; askedMs: number }>();

  /** @param processes default: this is the only one */
  constructor(observed: Observed, may: MayAdminister = localPeersOnly, processes?: Processes) {
    this.observed = observed;
    this.#may = may;
    this.#processes = processes ?? {
      name: '',
      ask: async <Kind extends keyof Answers>(question: Question & { kind: Kind }) => [
        (await this.answer(question)) as Answers[Kind],
      ],
      gone: () => null,
    };
    this.#loopDelay = new LoopDelay(observed.counters);
    this.#history = new History(observed.counters, this.#loopDelay);
  }

  /**
   * The server as `Watch` shows it, once.
   *
   * @throws TransferError PERMISSION_DENIED, INVALID_ARGUMENT
   */
  async snapshot(caller: Caller, request: Partial<WatchRequest>): Promise<WatchResponse> {
    this.require(caller, 'observe');
    return await this.#snapshot('', limitsOf(request));
  }

  /**
   * For whoever watches until `close`.
   *
   * @throws TransferError PERMISSION_DENIED, INVALID_ARGUMENT, RESOURCE_EXHAUSTED
   */
  watch(caller: Caller, request: Partial<WatchRequest>): Watching {
    this.require(caller, 'observe');
    const limits = limitsOf(request);
    const { intervalMs: given = 0 } = request;
    const intervalMs = within('interval_ms', given || DEFAULT_INTERVAL_MS, MIN_INTERVAL_MS, MAX_INTERVAL_MS);
    if (this.#watchers >= MAX_WATCHERS) {
      const message = `${MAX_WATCHERS} observers watch this server, which is its limit; end one, or try again later`;
      throw new TransferError('RESOURCE_EXHAUSTED', message);
    }
    this.#watchers += 1;
    this.#lastWatch += 1;
    const watch = `${this.#processes.name}/${this.#lastWatch}`;
    let isOpen = true;
    return {
      intervalMs,
      snapshot: async () => {
        this.require(caller, 'observe');
        return await this.#snapshot(watch, limits);
      },
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        this.#watchers -= 1;
        void this.#processes.ask({ kind: 'unwatch', watch });
      },
    };
  }

  async #snapshot(watch: string, limits: WatchLimits): Promise<WatchResponse> {
    return mergedSnapshot(await this.#processes.ask({ kind: 'watch', watch, limits }), limits);
  }

  async getHistory(caller: Caller, { afterMs }: GetHistoryRequest): Promise<GetHistoryResponse> {
    this.require(caller, 'observe');
    const histories = await this.#processes.ask({ kind: 'history', afterMs });
    return { points: mergedHistory(histories), intervalMs: HISTORY_INTERVAL_MS };
  }

  /** What all processes of the server tell of themselves, and what those that are gone have counted. */
  async metrics(): Promise<ToldMetrics> {
    const told = await this.#processes.ask({ kind: 'metrics' });
    return { told, gone: this.#processes.gone() };
  }

  /** What this process answers, whichever process was asked by an operator; rights were checked there. */
  async answer(question: Question): Promise<Answers[keyof Answers]> {
    switch (question.kind) {
      case 'watch':
        return this.#look(question.watch, question.limits);
      case 'unwatch':
        this.#watches.delete(question.watch);
        return null;
      case 'history':
        return this.#history.since(question.afterMs);
      case 'metrics': {
        // Loaded late: a server starts without it.
        const { processMetrics } = await import('./process-metrics.ts');
        const { counters } = this.observed;
        return { counters: counters.values(), process: await processMetrics(this.#processes.name) };
      }
      case 'cancel':
        return this.#cancel(question.id);
    }
  }

  #look(id: string, limits: WatchLimits): WatchResponse {
    if (id === '') return this.#told(new Watch(this.observed, this.#loopDelay, limits));
    const nowMs = performance.now();
    // Of processes that are gone.
    for (const [each, { askedMs }] of this.#watches)
      if (nowMs - askedMs > 2 * MAX_INTERVAL_MS) this.#watches.delete(each);
    const known = this.#watches.get(id);
    const watch = known?.watch ?? new Watch(this.observed, this.#loopDelay, limits);
    this.#watches.set(id, { watch, askedMs: nowMs });
    return this.#told(watch);
  }

  /** Each process counts its events; together with its number that is one for the server. */
  #told(watch: Watch): WatchResponse {
    const snapshot = watch.snapshot();
    const { name } = this.#processes;
    if (name === '') return snapshot;
    const numbered = ({ sequence, ...event }: Event): Event => ({
      ...event,
      sequence: sequence * EVENTS_APART + Number(name),
    });
    return { ...snapshot, events: snapshot.events.map(numbered) };
  }

  #cancel(id: string): Answers['cancel'] {
    const calls = [...this.observed.prelude.live].filter(
      ({ method, requestId }) => requestId === id && !isOfAdmin(method),
    );
    const error = new TransferError('CANCELLED_BY_OPERATOR', 'an operator of the server ended this call');
    for (const call of calls) call.end(error);
    return { cancelled: calls.length, file: calls[0]?.facts.file ?? '' };
  }

  getConfig(caller: Caller): GetConfigResponse {
    this.require(caller, 'observe');
    const { whole } = this.observed;
    const settings = SETTINGS.map((setting): Setting => {
      const value = settingValue(whole, setting);
      const { key, meta } = setting;
      return { key, value: writeValue(value, meta), isDefault: value === meta.initial };
    });
    return { settings };
  }

  /** Throws NOT_FOUND. */
  async cancelTransfer(caller: Caller, { id }: CancelTransferRequest): Promise<CancelTransferResponse> {
    return await this.#control(caller, 'CancelTransfer', { id }, async (affected) => {
      const ended = await this.#processes.ask({ kind: 'cancel', id });
      const cancelled = ended.reduce((sum, each) => sum + each.cancelled, 0);
      if (cancelled === 0) {
        throw new TransferError('NOT_FOUND', 'no call with this id is under way; Watch shows those that are');
      }
      affected.file = ended.find(({ file }) => file !== '')?.file;
      return { cancelled };
    });
  }

  /** Throws UPLOAD_NOT_FOUND, READ_ONLY. */
  async discardUpload(caller: Caller, { uploadId }: DiscardUploadRequest): Promise<DiscardUploadResponse> {
    return await this.#control(caller, 'DiscardUpload', { id: uploadId }, async (affected) => {
      const upload = await this.observed.uploads.find(uploadId);
      affected.file = upload.name;
      await upload.abort();
      return {};
    });
  }

  /** Does what changes something, for those who may. */
  async #control<Result>(
    caller: Caller,
    method: string,
    affected: Affected,
    work: (affected: Affected) => Promise<Result>,
  ): Promise<Result> {
    this.require(caller, 'control');
    return await audited(this.observed.logger, caller, method, affected, () => work(affected));
  }

  /** A request of the HTTP listener that was refused, or failed. */
  refusedOverHttp(method: string, peer: string, { code, message }: TransferError): void {
    this.observed.events.add({ method, who: peer, peer, name: '', code, message, requestId: '' });
  }

  /** Throws PERMISSION_DENIED, UNAUTHENTICATED; that is in the audit. */
  require(caller: Caller, right: ServerRight): void {
    const error = this.#refusal(caller, right);
    if (error === null) return;
    this.observed.counters.accessRefusals.add(1, right);
    audit(this.observed.logger, caller, right, error.code);
    throw error;
  }

  #refusal({ identity, isLocal }: Caller, right: ServerRight): TransferError | null {
    if (identity.expiresMs <= Date.now()) return expired();
    if (this.#may(identity, right, isLocal)) return null;
    const hasRules = this.#may !== localPeersOnly;
    if (hasRules && identity.proof === 'anonymous') return unknownCaller();
    const who = hasRules ? 'this caller does not have' : 'only peers on the loopback interface have';
    return new TransferError('PERMISSION_DENIED', `this needs the right "${right}", which ${who}`);
  }

  /** Begins to measure. */
  start(): void {
    this.#loopDelay.start();
    this.#history.start();
  }

  /** Stops the clocks. */
  close(): void {
    this.#loopDelay.close();
    this.#history.close();
  }
}

/** Whoever ends what an observer sees would end the observer. */
function isOfAdmin(method: string): boolean {
  return method.startsWith('sluice.v1.AdminService/');
}

/** Throws INVALID_ARGUMENT. */
function limitsOf({ maxTransfers = 0, maxUploads = 0 }: Partial<WatchRequest>): WatchLimits {
  return {
    transfers: within('max_transfers', maxTransfers || DEFAULT_ROWS, 1, MAX_ROWS),
    uploads: within('max_uploads', maxUploads || DEFAULT_ROWS, 1, MAX_ROWS),
  };
}

function within(field: string, value: number, min: number, max: number): number {
  if (value >= min && value <= max) return value;
  throw new TransferError('INVALID_ARGUMENT', `${field} is ${value}; it is ${min} to ${max}, or 0`);
}
