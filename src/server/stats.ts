/** What `SluiceServer.stats` says: a view of the counters. */
import type { Counters } from '../base/counters/counters.ts';
import type { EngineStats } from '../engine/engine.ts';
import type { WindowStats } from '../flow/windows/receive-windows.ts';
import { type ClosingCounts, closingCounts } from './closings.ts';

export interface ServerStats extends EngineStats {
  connections: number;
  /** Connections that were closed or refused for cause, and requests that were refused before gRPC, by reason. */
  closings: ClosingCounts;
  /** Calls with a single answer that count against `limits.calls`. */
  calls: number;
  /** Downloads and listings that count against `limits.streams`. */
  streams: number;
  /** Uploads that count against `limits.uploadStreams`. */
  uploadStreams: number;
  /** Health watches and calls of reflection, which have 64 places of their own. */
  standingCalls: number;
  /** Open requests of Exchanges, which count against `limits.requests`. */
  requests: number;
  /** Receive windows of uploads. */
  uploadWindows: WindowStats;
  /** Lines that are missing from the log: a flood of one kind is summed up, and what the logger could not write. */
  log: { leftOutLines: number; droppedLines: number };
}

export function serverStats(counters: Counters): ServerStats {
  const { connections, jobsNow, logLines, places, slabs, transfers, windowBytes, windowSessions } = counters;
  return {
    transfers: transfers.value('download'),
    uploads: transfers.value('upload'),
    jobsOutstanding: jobsNow.value('outstanding'),
    jobsWaiting: jobsNow.value('waiting'),
    slabs: {
      free: slabs.value('free'),
      leased: slabs.value('leased'),
      sending: slabs.value('sending'),
      quarantined: slabs.value('quarantined'),
      count: slabs.total,
    },
    connections: connections.value(),
    closings: closingCounts(counters),
    calls: places.value('calls'),
    streams: places.value('streams'),
    uploadStreams: places.value('uploadStreams'),
    standingCalls: places.value('standing'),
    requests: places.value('requests'),
    uploadWindows: {
      sessions: windowSessions.value(),
      grantedBytes: windowBytes.value('granted'),
      largestWindowBytes: windowBytes.value('largest'),
    },
    log: { leftOutLines: logLines.value('leftOut'), droppedLines: logLines.value('dropped') },
  };
}
