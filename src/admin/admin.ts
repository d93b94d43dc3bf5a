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
  GetConfigResponse,
  GetHistoryRequest,
  GetHistoryResponse,
  Setting,
  WatchRequest,
  WatchResponse,
} from '../wire/admin-messages.ts';
import { HISTORY_INTERVAL_MS, History } from './history.ts';
import { LoopDelay } from './loop-delay.ts';
import type { Observed } from './observed.ts';
import { localPeersOnly, type MayAdminister } from './rights.ts';
import { Watch } from './watch.ts';

/** Whoever asks. */
export interface Caller extends KnownCaller {
  /** Over the loopback interface, or a Unix socket. */
  readonly isLocal: boolean;
}

/** One that is under way. */
export interface Watching {
  readonly intervalMs: number;
  /** Throws PERMISSION_DENIED, UNAUTHENTICATED: rights may be taken away, and proofs expire. */
  snapshot(): WatchResponse;
  /** Safe to call twice. */
  close(): void;
}

/** Each may hold one snapshot, of a megabyte at most. */
const MAX_WATCHERS = 16;

const DEFAULT_INTERVAL_MS = 1000;
const MIN_INTERVAL_MS = 200;
const MAX_INTERVAL_MS = 60_000;

/** In one snapshot. */
const DEFAULT_ROWS = 100;
const MAX_ROWS = 1000;

export class Admin {
  readonly observed: Observed;
  readonly #may: MayAdminister;
  readonly #loopDelay: LoopDelay;
  readonly #history: History;
  readonly #watching = new Set<Watch>();

  constructor(observed: Observed, may: MayAdminister = localPeersOnly) {
    this.observed = observed;
    this.#may = may;
    this.#loopDelay = new LoopDelay(observed.counters);
    this.#history = new History(observed.counters, this.#loopDelay);
  }

  /**
   * The server as `Watch` shows it, once.
   *
   * @throws TransferError PERMISSION_DENIED, INVALID_ARGUMENT
   */
  snapshot(caller: Caller, request: Partial<WatchRequest>): WatchResponse {
    return this.#watch(caller, request).snapshot();
  }

  /**
   * For whoever watches until `close`.
   *
   * @throws TransferError PERMISSION_DENIED, INVALID_ARGUMENT, RESOURCE_EXHAUSTED
   */
  watch(caller: Caller, request: Partial<WatchRequest>): Watching {
    const watch = this.#watch(caller, request);
    const { intervalMs: given = 0 } = request;
    const intervalMs = within('interval_ms', given || DEFAULT_INTERVAL_MS, MIN_INTERVAL_MS, MAX_INTERVAL_MS);
    if (this.#watching.size >= MAX_WATCHERS) {
      const message = `${MAX_WATCHERS} observers watch this server, which is its limit; end one, or try again later`;
      throw new TransferError('RESOURCE_EXHAUSTED', message);
    }
    this.#watching.add(watch);
    return {
      intervalMs,
      snapshot: () => {
        this.require(caller, 'observe');
        return watch.snapshot();
      },
      close: () => this.#watching.delete(watch),
    };
  }

  #watch(caller: Caller, { maxTransfers = 0, maxUploads = 0 }: Partial<WatchRequest>): Watch {
    this.require(caller, 'observe');
    return new Watch(this.observed, this.#loopDelay, {
      transfers: within('max_transfers', maxTransfers || DEFAULT_ROWS, 1, MAX_ROWS),
      uploads: within('max_uploads', maxUploads || DEFAULT_ROWS, 1, MAX_ROWS),
    });
  }

  getHistory(caller: Caller, { afterMs }: GetHistoryRequest): GetHistoryResponse {
    this.require(caller, 'observe');
    return { points: this.#history.since(afterMs), intervalMs: HISTORY_INTERVAL_MS };
  }

  getConfig(caller: Caller): GetConfigResponse {
    this.require(caller, 'observe');
    const { config } = this.observed;
    const settings = SETTINGS.map((setting): Setting => {
      const value = settingValue(config, setting);
      const { key, meta } = setting;
      return { key, value: writeValue(value, meta), isDefault: value === meta.initial };
    });
    return { settings };
  }

  /** Throws NOT_FOUND. */
  async cancelTransfer(caller: Caller, { id }: CancelTransferRequest): Promise<CancelTransferResponse> {
    return await this.#control(caller, 'CancelTransfer', { id }, async (affected) => {
      const calls = [...this.observed.prelude.live].filter(
        ({ method, requestId }) => requestId === id && !isOfAdmin(method),
      );
      if (calls.length === 0) {
        throw new TransferError('NOT_FOUND', 'no call with this id is under way; Watch shows those that are');
      }
      affected.file = calls[0]?.facts.file;
      const error = new TransferError('CANCELLED_BY_OPERATOR', 'an operator of the server ended this call');
      for (const call of calls) call.end(error);
      return { cancelled: calls.length };
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

function within(field: string, value: number, min: number, max: number): number {
  if (value >= min && value <= max) return value;
  throw new TransferError('INVALID_ARGUMENT', `${field} is ${value}; it is ${min} to ${max}, or 0`);
}
