/**
 * Runs before every call of every service: identity, request id, place, log line
 * and counters.
 *
 *   headers ─▶ who? ─admit─▶ place taken ─handler─▶ … ─stream closed, handler ended─▶ place given back, line, count
 *               │        └─no place─▶ refused, line, count
 *               └─unknown─▶ refused, line, count
 *
 * No interceptor of grpc-js: one would wrap the calls whose streams are written
 * and read directly.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Metadata, Server, ServiceDefinition, StatusObject } from '@grpc/grpc-js';
import type { Access } from '../../access/access.ts';
import { ANONYMOUS, type Identity, ownerOf } from '../../access/identity.ts';
import type { LimitedKind } from '../../access/limits.ts';
import { type Counters, METHOD_NAMES, type MethodName } from '../../base/counters/counters.ts';
import { type ErrorCode, TransferError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { PeerAddresses } from '../../base/peer-address.ts';
import { type OpenTelemetryApi, Tracing } from '../../base/tracing.ts';
import { answerWith } from '../../flow/calls/answer-metadata.ts';
import { serverStreamOf } from '../../flow/calls/call-stream.ts';
import { HeldStream, type RequestHeaders, type ServerStream } from '../../flow/gate/held-stream.ts';
import { REQUEST_ID } from '../../wire/request-id.ts';
import { SERVICE_NAME } from '../../wire/service.ts';
import { statusOf } from '../../wire/status.ts';
import { Accounts } from './accounts.ts';
import { AdmittedCall } from './admitted-call.ts';
import { type CallKind, CallPlaces, type PlaceLimits } from './call-places.ts';
import { Callers } from './callers.ts';
import { type LoggedRequest, logRequest, spanAttributesOf } from './request-log.ts';

/** A request that ended, or that was refused. */
export interface EndedRequest extends LoggedRequest {
  /** What its peer is counted by. */
  readonly owner: string | null;
}

/** Handles one call; `respond` is there where the answer is a single message. It does not throw. */
export type CallHandler = (admitted: AdmittedCall, call: never, respond: never) => void;

type MethodDefinition = ServiceDefinition[string];

interface Method {
  readonly name: MethodName;
  readonly kind: CallKind;
  readonly takesStream: boolean;
  readonly speaksFirst: boolean;
}

/** Common to all kinds of calls in grpc-js. */
interface GrpcCall {
  readonly metadata: Metadata;
  emit(event: 'error', status: StatusObject): boolean;
}

export interface CallPreludeOptions {
  limits: PlaceLimits;
  peers: PeerAddresses;
  logger: Logger;
  counters: Counters;
  /** Told of each call that ended with an error, or was refused. */
  onError?: (request: EndedRequest, code: ErrorCode, error: TransferError | null) => void;
  openTelemetry?: OpenTelemetryApi | undefined;
  /** null: everybody may do everything. */
  access: Access | null;
}

const OWN_SERVICE = `/${SERVICE_NAME}/`;

const UNKNOWN: Method = { name: 'unknown', kind: 'calls', takesStream: false, speaksFirst: false };

export class CallPrelude {
  readonly places: CallPlaces;
  readonly #live = new Set<AdmittedCall>();
  readonly #onError: CallPreludeOptions['onError'];
  readonly #peers: PeerAddresses;
  readonly #logger: Logger;
  readonly #counters: Counters;
  readonly tracing: Tracing;
  /** By path. */
  readonly #methods = new Map<string, Method>();
  readonly #byStream = new WeakMap<object, AdmittedCall>();
  readonly #callers: Callers;
  readonly #accounts: Accounts;
  /** Calls that were handed to a handler and have not ended for the peer. */
  #underWay = 0;
  readonly #onceNone: (() => void)[] = [];
  readonly #over = (call: AdmittedCall) => {
    this.#live.delete(call);
    this.#callers.ended(call);
    this.#note(call, call.result, call.error);
  };

  constructor({ limits, peers, logger, counters, access, onError, openTelemetry }: CallPreludeOptions) {
    this.#callers = new Callers(access, logger, counters);
    this.#accounts = new Accounts(access, counters);
    this.places = new CallPlaces(limits, counters);
    this.#counters = counters;
    this.#peers = peers;
    this.#logger = logger;
    this.#onError = onError;
    this.tracing = new Tracing(openTelemetry);
  }

  /** Admitted calls of which something is left. */
  get live(): Iterable<AdmittedCall> {
    return this.#live;
  }

  /**
   * Adds a service to `server`: its handlers are called with their admitted call.
   *
   * @param kindOf the kind of place that a method's calls take
   */
  serve(
    server: Server,
    service: ServiceDefinition,
    handlers: Readonly<Record<string, CallHandler>>,
    kindOf: (name: string, method: MethodDefinition) => CallKind,
  ): void {
    const handled = Object.entries(service).filter(([name]) => name in handlers);
    const admitting = handled.map(([name, definition]) => {
      const { path, requestStream, responseStream } = definition;
      const method = {
        name: nameOf(path),
        kind: kindOf(name, definition),
        takesStream: requestStream,
        speaksFirst: requestStream && responseStream,
      };
      this.#methods.set(path, method);
      const handler = handlers[name] as CallHandler;
      return [
        name,
        (call: GrpcCall, respond?: (status: StatusObject) => void) => {
          const handle = (admitted: AdmittedCall) => {
            const run = () => handler(admitted, call as never, respond as never);
            if (admitted.span === undefined) run();
            else admitted.span.run(run);
          };
          this.#begun(call, path, handle, respond);
        },
      ];
    });
    server.addService(service, Object.fromEntries(admitting));
  }

  /** Whether the request of a method is a stream, which may take its time. */
  takesStream(path: string): boolean {
    return this.#methods.get(path)?.takesStream ?? false;
  }

  /** Whether a method's server may answer before the first request. */
  speaksFirst(path: string): boolean {
    return this.#methods.get(path)?.speaksFirst ?? false;
  }

  /** A call whose headers have come: it takes its place, or is refused and has the error. Does not reject. */
  admit(stream: ServerStream, headers: RequestHeaders): HeldStream | Promise<HeldStream> {
    const held = new HeldStream(stream, headers[REQUEST_ID]);
    const admission = this.#admission(stream, held, headers);
    return admission instanceof Promise ? admission.then(settled) : settled(admission);

    function settled(result: AdmittedCall | TransferError): HeldStream {
      if (result instanceof TransferError) held.refuse(result);
      return held;
    }
  }

  /** Resolves when every peer has the end of its calls; standing calls end with their connections. */
  async noneUnderWay(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#onceNone.push(resolve));
  }

  /** Stops the clocks. */
  close(): void {
    this.#callers.close();
    this.places.close();
  }

  /** The call, or why there is none: nobody knows who makes it, or it has no place. Neither throws nor rejects. */
  #admission(
    stream: ServerStream,
    held: HeldStream,
    headers: RequestHeaders,
  ): AdmittedCall | TransferError | Promise<AdmittedCall | TransferError> {
    const { ':path': path = '' } = headers;
    const { socket } = held;
    // A socket has forgotten its address when it is closed.
    const address = socket === undefined ? null : this.#peers.of(socket);
    const method = this.#methods.get(path);
    const { kind, name } = method ?? UNKNOWN;
    const origin = {
      method: name,
      path: method === undefined ? path : undefined,
      address,
      stream: held,
      span: this.tracing.call(`sluice ${name}`, { 'sluice.request_id': held.requestId }, headers),
    };
    const refused = (reason: unknown, identity = ANONYMOUS): TransferError => {
      const error = TransferError.from(reason);
      const { peer, requestId } = held;
      const owner = ownerOf(identity, address);
      const request = { ...origin, identity, owner, requestId, peer, facts: {}, startMs: performance.now() };
      this.#note(request, error.code, error);
      if (error.code === 'UNAUTHENTICATED') this.#callers.refused(request);
      return error;
    };
    const admitted = (identity: Identity): AdmittedCall | TransferError | Promise<AdmittedCall> => {
      const owner = ownerOf(identity, address);
      const account = this.#accounts.enter(identity, owner);
      let taken: LimitedKind | undefined;
      try {
        account.connect(held.socket);
        if (kind !== 'standing') {
          account.take(kind);
          taken = kind;
        }
        const place = this.places[kind].enter(owner, held);
        const call = new AdmittedCall(
          { ...origin, account, identity },
          place,
          this.#callers.control,
          (over) => {
            if (taken !== undefined) account.give(taken);
            account.leave();
            this.#over(over);
          },
        );
        this.#byStream.set(stream, call);
        this.#live.add(call);
        this.#callers.began(call, headers);
        const waitMs = kind === 'standing' ? 0 : account.payForCall(call.startMs) - call.startMs;
        return waitMs > 0 ? sleep(waitMs, call, { ref: false }) : call;
      } catch (reason) {
        if (taken !== undefined) account.give(taken);
        account.leave();
        return refused(reason, identity);
      }
    };
    try {
      const identity = this.#callers.identityOf(held, headers);
      return identity instanceof Promise ? identity.then(admitted, refused) : admitted(identity);
    } catch (reason) {
      return refused(reason);
    }
  }

  /** The admitted call of a handler; without a gate the call is admitted or refused here. */
  #begun(
    call: GrpcCall,
    path: string,
    handle: (admitted: AdmittedCall) => void,
    respond?: (status: StatusObject) => void,
  ): void {
    const stream = serverStreamOf(call) as ServerStream;
    const begin = (result: AdmittedCall | TransferError) => {
      if (result instanceof TransferError) {
        const status = statusOf(result);
        status.metadata.set(REQUEST_ID, requestId);
        if (respond === undefined) call.emit('error', status);
        else respond(status);
        return;
      }
      answerWith(call, REQUEST_ID, result.requestId);
      if (this.#methods.get(path)?.kind !== 'standing') this.#countUntilClosed(result);
      handle(result);
    };
    const admitted = this.#byStream.get(stream);
    let requestId = '';
    if (admitted !== undefined) {
      begin(admitted);
      return;
    }
    const headers: RequestHeaders = { ':path': path, ...headersIn(call.metadata) };
    const held = new HeldStream(stream, headers[REQUEST_ID]);
    requestId = held.requestId;
    const admission = this.#admission(stream, held, headers);
    if (admission instanceof Promise) void admission.then(begin);
    else begin(admission);
  }

  #note(request: EndedRequest, result: ErrorCode | 'OK', error: TransferError | null): void {
    this.#counters.calls.add(1, request.method, result);
    if (result !== 'OK') this.#onError?.(request, result, error);
    logRequest(this.#logger, request, result, error);
    request.span?.end(
      spanAttributesOf(request.facts),
      result === 'OK' ? null : (error ?? new TransferError(result, 'the call ended without a reason')),
    );
  }

  #countUntilClosed(call: AdmittedCall): void {
    this.#underWay += 1;
    call.onClose(() => {
      this.#underWay -= 1;
      if (this.#underWay > 0) return;
      for (const resolve of this.#onceNone.splice(0)) resolve();
    });
  }
}

/** The texts in the metadata of a request. */
function headersIn(metadata: Metadata): Record<string, string> {
  const texts = Object.entries(metadata.getMap()).flatMap(([key, value]) =>
    typeof value === 'string' ? [[key, value] as const] : [],
  );
  return Object.fromEntries(texts);
}

/** A method of sluice by its name, another with its service. */
function nameOf(path: string): MethodName {
  const name = path.startsWith(OWN_SERVICE) ? path.slice(OWN_SERVICE.length) : path.slice(1);
  const known = METHOD_NAMES.find((each) => each === name);
  if (known === undefined) throw new Error(`METHOD_NAMES lacks ${name}`);
  return known;
}
