/**
 * Runs before every call of every service: identity, request id, place, log line
 * and counters.
 *
 *   headers ─admit─▶ place taken ─handler─▶ … ─stream closed, handler ended─▶ place given back, line, count
 *              └─no place─▶ refused, line, count
 *
 * No interceptor of grpc-js: one would wrap the calls whose streams are written
 * and read directly.
 */
import type { Metadata, Server, ServiceDefinition, StatusObject } from '@grpc/grpc-js';
import { type Counters, METHOD_NAMES, type MethodName } from '../../base/counters/counters.ts';
import { type ErrorCode, TransferError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { PeerAddresses } from '../../base/peer-address.ts';
import { type OpenTelemetryApi, type SpanAttributes, Tracing } from '../../base/tracing.ts';
import { answerWith } from '../../flow/calls/answer-metadata.ts';
import { serverStreamOf } from '../../flow/calls/call-stream.ts';
import { HeldStream, type RequestHeaders, type ServerStream } from '../../flow/gate/held-stream.ts';
import { REQUEST_ID } from '../../wire/request-id.ts';
import { SERVICE_NAME } from '../../wire/service.ts';
import { statusOf } from '../../wire/status.ts';
import { AdmittedCall, type CallOrigin } from './admitted-call.ts';
import { type CallKind, CallPlaces, type PlaceLimits } from './call-places.ts';
import { type Identity, identityOf } from './identity.ts';
import { type LoggedRequest, logRequest, type RequestFacts } from './request-log.ts';

/** A request that ended, or that was refused. */
export interface EndedRequest extends LoggedRequest {
  readonly identity: Identity;
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
  readonly #tracing: Tracing;
  /** By path. */
  readonly #methods = new Map<string, Method>();
  readonly #byStream = new WeakMap<object, AdmittedCall>();
  /** Calls that were handed to a handler and have not ended for the peer. */
  #underWay = 0;
  readonly #onceNone: (() => void)[] = [];
  readonly #over = (call: AdmittedCall) => {
    this.#live.delete(call);
    this.#note(call, call.result, call.error);
  };

  constructor({ limits, peers, logger, counters, onError, openTelemetry }: CallPreludeOptions) {
    this.places = new CallPlaces(limits, counters);
    this.#counters = counters;
    this.#peers = peers;
    this.#logger = logger;
    this.#onError = onError;
    this.#tracing = new Tracing(openTelemetry);
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
          const admitted = this.#begun(call, path, respond);
          if (admitted === null) return;
          const handle = () => handler(admitted, call as never, respond as never);
          if (admitted.span === undefined) handle();
          else admitted.span.run(handle);
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

  /** A call whose headers have come: it takes its place; null where there is none, and it was refused. */
  admit(stream: ServerStream, headers: RequestHeaders): HeldStream | null {
    const held = new HeldStream(stream, headers[REQUEST_ID]);
    try {
      this.#admitted(stream, held, headers[':path'], headers);
      return held;
    } catch (error) {
      held.refuse(TransferError.from(error));
      return null;
    }
  }

  /** Resolves when every peer has the end of its calls; standing calls end with their connections. */
  async noneUnderWay(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#onceNone.push(resolve));
  }

  /** Stops the clocks. */
  close(): void {
    this.places.close();
  }

  /** Throws RESOURCE_EXHAUSTED where there is no place. */
  #admitted(stream: ServerStream, held: HeldStream, path = '', headers: object): AdmittedCall {
    const method = this.#methods.get(path);
    const { name, kind } = method ?? UNKNOWN;
    const origin: CallOrigin = {
      method: name,
      path: method === undefined ? path : undefined,
      identity: identityOf(this.#peers, held.socket),
      stream: held,
      span: this.#tracing.call(`sluice ${name}`, { 'sluice.request_id': held.requestId }, headers),
    };
    try {
      const place = this.places[kind].enter(origin.identity.address, held);
      const admitted = new AdmittedCall(origin, place, this.#over);
      this.#byStream.set(stream, admitted);
      this.#live.add(admitted);
      return admitted;
    } catch (reason) {
      const { requestId, peer } = held;
      const refused = { ...origin, requestId, peer, facts: {}, startMs: performance.now() };
      const error = TransferError.from(reason);
      this.#note(refused, error.code, error);
      throw error;
    }
  }

  /** The admitted call of a handler; without a gate the call is admitted or refused here. */
  #begun(call: GrpcCall, path: string, respond?: (status: StatusObject) => void): AdmittedCall | null {
    const stream = serverStreamOf(call) as ServerStream;
    let admitted = this.#byStream.get(stream);
    if (admitted === undefined) {
      const held = new HeldStream(stream, call.metadata.get(REQUEST_ID)[0]);
      try {
        admitted = this.#admitted(stream, held, path, call.metadata.toHttp2Headers());
      } catch (error) {
        const status = statusOf(TransferError.from(error));
        status.metadata.set(REQUEST_ID, held.requestId);
        if (respond === undefined) call.emit('error', status);
        else respond(status);
        return null;
      }
    }
    answerWith(call, REQUEST_ID, admitted.requestId);
    if (this.#methods.get(path)?.kind !== 'standing') this.#countUntilClosed(admitted);
    return admitted;
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

/** A method of sluice by its name, another with its service. */
function nameOf(path: string): MethodName {
  const name = path.startsWith(OWN_SERVICE) ? path.slice(OWN_SERVICE.length) : path.slice(1);
  const known = METHOD_NAMES.find((each) => each === name);
  if (known === undefined) throw new Error(`METHOD_NAMES lacks ${name}`);
  return known;
}

function spanAttributesOf(facts: RequestFacts): SpanAttributes {
  const attributes: SpanAttributes = {};
  for (const [fact, value] of Object.entries(facts)) {
    attributes[`sluice.${fact}`] = typeof value === 'object' ? JSON.stringify(value) : value;
  }
  return attributes;
}
