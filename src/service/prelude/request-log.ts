/** The line that each request leaves in the log, at info; defects at error, with their cause. */
import type { Identity } from '../../access/identity.ts';
import type { Coding } from '../../base/coding.ts';
import type { MethodName } from '../../base/counters/counters.ts';
import type { ErrorCode, TransferError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { OpenSpan, SpanAttributes } from '../../base/tracing.ts';
import type { ChoiceSummary } from '../../compression/codec-choice.ts';
import type { Sighted } from '../../engine/stream-sight.ts';

/** What a handler reports of its request; complete when it has ended. */
export interface RequestFacts {
  /** The name asked for; `name` would be the logger's own in pino's lines. */
  file?: string;
  /** The id of the upload. */
  upload?: string;
  /** How many a pack has. */
  files?: number;
  /** How many an Exchange had. */
  requests?: number;
  start?: number;
  rawBytes?: number;
  wireBytes?: number;
  /** Raw bytes of received chunks by what they were compressed with, where the client chose. */
  codecs?: Partial<Record<Coding['codec'], number>>;
  /** How the bytes were coded, where the server chose. */
  codings?: ChoiceSummary;
  entries?: number;
  /** What moves the bytes; not logged. */
  moving?: Sighted;
}

/** A request as the log shows it. */
export interface LoggedRequest {
  /** A flood of lines is limited by it. */
  readonly method: MethodName;
  /** The path of a method that is not served here. */
  readonly path?: string | undefined;
  readonly identity: Identity;
  readonly peer: string;
  readonly requestId: string;
  readonly facts: RequestFacts;
  readonly startMs: number;
  /** Where calls are traced. */
  readonly span?: OpenSpan | undefined;
}

/** A line shows at most this much of a text from the peer. */
const MAX_TEXT_CHARS = 256;

/** Writes the line of a request that ended, `error` being why it did where that is known. */
export function logRequest(
  logger: Logger,
  request: LoggedRequest,
  result: ErrorCode | 'OK',
  error: TransferError | null,
): void {
  const { method } = request;
  const fields = { ...fieldsOf(request), result };
  if (result === 'OK') {
    logger.info(fields, `${method} done`);
  } else if (error === null) {
    logger.info(fields, `${method} ended`);
  } else if (error.code === 'INTERNAL' || error.code === 'DATA_LOSS') {
    logger.error({ ...fields, reason: cut(error.message), err: error }, `${method} failed`);
  } else {
    logger.info({ ...fields, reason: cut(error.message) }, `${method} ended`);
  }
}

/** What the span of a request has at its end. */
export function spanAttributesOf({ moving: _, ...facts }: RequestFacts): SpanAttributes {
  const attributes: SpanAttributes = {};
  for (const [fact, value] of Object.entries(facts)) {
    attributes[`sluice.${fact}`] = typeof value === 'object' ? JSON.stringify(value) : value;
  }
  return attributes;
}

function fieldsOf({ identity, method, path, peer, requestId, facts, startMs }: LoggedRequest): object {
  const durationMs = Math.round((performance.now() - startMs) * 10) / 10;
  const { moving: _, ...logged } = facts;
  const { file, upload, rawBytes } = logged;
  return {
    method,
    ...(path === undefined ? {} : { path: cut(path) }),
    requestId,
    peer,
    ...(identity.proof === 'anonymous' ? {} : { identity: cut(identity.name) }),
    ...logged,
    ...(file === undefined ? {} : { file: cut(file) }),
    ...(upload === undefined ? {} : { upload: cut(upload) }),
    durationMs,
    ...(rawBytes && durationMs > 0 ? { rateBytesPerSec: Math.round((rawBytes / durationMs) * 1000) } : {}),
  };
}

function cut(text: string): string {
  return text.length <= MAX_TEXT_CHARS ? text : `${text.slice(0, MAX_TEXT_CHARS)}…`;
}
