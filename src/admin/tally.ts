/** What was counted until one moment. Two of them give the rates between them. */
import type { Counters } from '../base/counters/counters.ts';

/** A call or a request with one of these was not let in. */
const REFUSING_CODES: ReadonlySet<string> = new Set(['PERMISSION_DENIED', 'UNAUTHENTICATED']);

/** As it should be, or as its client wanted: also observers end their watch so. */
const NO_ERRORS: ReadonlySet<string> = new Set(['OK', 'CANCELLED']);

/** All but `atMs` only grow. */
export interface Tally {
  /** Of `performance.now()`. */
  readonly atMs: number;
  readonly sentRawBytes: number;
  readonly sentWireBytes: number;
  readonly receivedRawBytes: number;
  readonly receivedWireBytes: number;
  readonly calls: number;
  readonly errors: number;
  readonly refusals: number;
  readonly jobs: number;
  readonly jobSeconds: number;
  readonly storageSeconds: number;
}

export function tallyOf(counters: Counters, atMs: number): Tally {
  const {
    calls,
    closings,
    exchangeRequests,
    jobSeconds,
    limitRefusals,
    receivedBytes,
    refusals,
    sentBytes,
    storageSeconds,
  } = counters;
  let errors = 0;
  let refused = refusals.total + limitRefusals.total + closings.value('banned');
  for (const metric of [calls, exchangeRequests]) {
    for (const { labels, value } of metric.samples()) {
      const [, code = ''] = labels;
      if (!NO_ERRORS.has(code)) errors += value;
      if (REFUSING_CODES.has(code)) refused += value;
    }
  }
  const bytes = (metric: typeof sentBytes, form: string) => {
    let sum = 0;
    for (const { labels, value } of metric.samples()) if (labels[0] === form) sum += value;
    return sum;
  };
  return {
    atMs,
    sentRawBytes: bytes(sentBytes, 'raw'),
    sentWireBytes: bytes(sentBytes, 'wire'),
    receivedRawBytes: bytes(receivedBytes, 'raw'),
    receivedWireBytes: bytes(receivedBytes, 'wire'),
    calls: calls.total,
    errors,
    refusals: refused,
    jobs: jobSeconds.count,
    jobSeconds: jobSeconds.sum,
    storageSeconds: storageSeconds.sum,
  };
}

/** Before anything was counted. */
export function emptyTally(atMs: number): Tally {
  return {
    atMs,
    sentRawBytes: 0,
    sentWireBytes: 0,
    receivedRawBytes: 0,
    receivedWireBytes: 0,
    calls: 0,
    errors: 0,
    refusals: 0,
    jobs: 0,
    jobSeconds: 0,
    storageSeconds: 0,
  };
}

/** What `key` grew by in each second between two tallies. */
export function perSecond(from: Tally, to: Tally, key: keyof Tally): number {
  const seconds = (to.atMs - from.atMs) / 1000;
  return seconds > 0 ? (to[key] - from[key]) / seconds : 0;
}
