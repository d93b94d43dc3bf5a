/**
 * Spans of OpenTelemetry, for transfers and calls. A program that wants them passes
 * its own `@opentelemetry/api`; without that, tracing costs a comparison.
 */
import { TransferError } from './errors.ts';

export type SpanAttributes = Record<string, string | number | boolean | undefined>;

/** What is used of a span. */
export interface TracedSpan {
  setAttributes(attributes: SpanAttributes): unknown;
  addEvent(name: string, attributes?: SpanAttributes): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  end(): void;
}

/** A context of OpenTelemetry: opaque here. */
export interface TraceContext {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): TraceContext;
  deleteValue(key: symbol): TraceContext;
}

/**
 * The module `@opentelemetry/api` itself, as far as it is used. The types of that
 * module need not be installed.
 */
export interface OpenTelemetryApi {
  readonly trace: {
    getTracer(name: string): {
      startSpan(
        name: string,
        options: { kind: number; attributes: SpanAttributes },
        context: TraceContext,
      ): TracedSpan;
    };
    getActiveSpan(): TracedSpan | undefined;
    setSpan(context: TraceContext, span: TracedSpan): TraceContext;
  };
  readonly context: {
    active(): TraceContext;
    with<Result>(context: TraceContext, work: () => Result): Result;
  };
  readonly propagation: {
    inject(context: TraceContext, carrier: unknown, setter: CarrierSetter): void;
    extract(context: TraceContext, carrier: unknown): TraceContext;
  };
  readonly ROOT_CONTEXT: TraceContext;
}

interface CarrierSetter {
  set(carrier: unknown, key: string, value: string): void;
}

/** A span under way. */
export interface OpenSpan {
  /** What spans below it begin in. */
  readonly context: TraceContext;
  /** Runs `work` in its context: spans that are begun in it become its children. */
  run<Result>(work: () => Result): Result;
  /** Notes something on it. */
  event(name: string, attributes: SpanAttributes): void;
  /** Ends it, well unless there is an error. Once. */
  end(attributes: SpanAttributes, error?: TransferError | null): void;
}

/** `SpanKind` and `SpanStatusCode` of the module. */
const SERVER = 1;
const CLIENT = 2;
const STATUS_ERROR = 2;

const SCOPE = 'sluice';

export class Tracing {
  readonly #api: OpenTelemetryApi | undefined;

  constructor(api: OpenTelemetryApi | undefined) {
    this.#api = api;
  }

  /**
   * Runs one operation of a client in a span of its own.
   *
   * @param attributesOf what its result tells of it
   */
  async operation<Result>(
    name: string,
    attributes: SpanAttributes,
    work: () => Promise<Result>,
    attributesOf: (result: Result) => SpanAttributes = () => ({}),
  ): Promise<Result> {
    const span = this.begin(name, attributes);
    if (span === undefined) return await work();
    try {
      const result = await span.run(work);
      span.end(attributesOf(result));
      return result;
    } catch (reason) {
      span.end({}, TransferError.from(reason));
      throw reason;
    }
  }

  /** The span of an operation of a client that begins now; undefined without tracing. */
  begin(name: string, attributes: SpanAttributes): OpenSpan | undefined {
    const api = this.#api;
    if (api === undefined) return undefined;
    return openSpan(api, name, CLIENT, attributes, api.context.active());
  }

  /** Notes something on the span of the operation that is running. */
  event(name: string, attributes: SpanAttributes): void {
    this.#api?.trace.getActiveSpan()?.addEvent(name, attributes);
  }

  /** Calls `set` with each header that carries `span`; default: that of the operation that is running. */
  inject(set: (key: string, value: string) => void, span?: OpenSpan): void {
    const api = this.#api;
    if (api === undefined) return;
    const context = span?.context ?? api.context.active();
    api.propagation.inject(context, null, { set: (_carrier, key, value) => set(key, value) });
  }

  /**
   * The span of a call that a server admits, as a child of that of its client; undefined without tracing.
   *
   * @param around whose child it is where the headers name none
   */
  call(name: string, attributes: SpanAttributes, headers: object, around?: OpenSpan): OpenSpan | undefined {
    const api = this.#api;
    if (api === undefined) return undefined;
    const parent = api.propagation.extract(around?.context ?? api.ROOT_CONTEXT, headers);
    return openSpan(api, name, SERVER, attributes, parent);
  }
}

function openSpan(
  api: OpenTelemetryApi,
  name: string,
  kind: number,
  attributes: SpanAttributes,
  parent: TraceContext,
): OpenSpan {
  const span = api.trace.getTracer(SCOPE).startSpan(name, { kind, attributes }, parent);
  const context = api.trace.setSpan(parent, span);
  return {
    context,
    run: (work) => api.context.with(context, work),
    event: (event, noted) => void span.addEvent(event, noted),
    end: (ended, error) => {
      span.setAttributes(ended);
      if (error) {
        span.setAttributes({ 'sluice.code': error.code });
        span.setStatus({ code: STATUS_ERROR, message: error.message });
      }
      span.end();
    },
  };
}
