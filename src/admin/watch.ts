/** One observer's view of the server: each snapshot tells what happened since the one before. */
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { PLACE_KINDS } from '../base/counters/counters.ts';
import { packageVersion } from '../base/package-version.ts';
import { memoryBoundBytes } from '../config/memory/memory-bound.ts';
import type { OpenUpload as StoredUpload } from '../storage/upload-store.ts';
import type {
  EventLoop,
  Memory,
  OpenUpload,
  Places,
  Pool,
  ServerState,
  Slabs,
  Totals,
  WatchResponse,
} from '../wire/admin-messages.ts';
import { utilization } from './history.ts';
import type { LoopDelay } from './loop-delay.ts';
import type { Observed } from './observed.ts';
import { emptyTally, perSecond, type Tally, tallyOf } from './tally.ts';
import { TransferLooks, topIdentities, transferOf } from './transfers.ts';

/** How many rows an observer wants at most. */
export interface WatchLimits {
  readonly transfers: number;
  readonly uploads: number;
}

export class Watch {
  readonly #observed: Observed;
  readonly #loopDelay: LoopDelay;
  readonly #limits: WatchLimits;
  readonly #looks = new TransferLooks();
  #last: Tally;
  #lastUse: EventLoopUtilization | undefined;
  #lastSequence = 0;

  constructor(observed: Observed, loopDelay: LoopDelay, limits: WatchLimits) {
    this.#observed = observed;
    this.#loopDelay = loopDelay;
    this.#limits = limits;
    // Before anything was counted: the first snapshot has the means since then.
    this.#last = emptyTally(observed.startedMs - performance.timeOrigin);
  }

  /** The server now, with rates since the last call, and the events since then. */
  snapshot(): WatchResponse {
    const { counters, events, prelude, uploads } = this.#observed;
    const nowMs = performance.now();
    const last = this.#last;
    const now = tallyOf(counters, nowMs);
    this.#last = now;
    const looks = this.#looks.look(prelude.live, nowMs);
    const open = uploads.open().toSorted((a, b) => b.touchedMs - a.touchedMs);
    const news = events.since(this.#lastSequence);
    this.#lastSequence = events.lastSequence;
    return {
      timeMs: Date.now(),
      server: this.#server(),
      totals: this.#totals(last, now, looks.length, open.length),
      transfers: looks.slice(0, this.#limits.transfers).map((look) => transferOf(look, nowMs)),
      slabs: this.#slabs(),
      pool: this.#pool(last, now),
      eventLoop: this.#eventLoop(),
      memory: this.#memory(),
      places: PLACE_KINDS.map((kind) => this.#places(kind)),
      topIdentities: topIdentities(looks),
      uploads: open.slice(0, this.#limits.uploads).map(uploadOf),
      events: news,
    };
  }

  #server(): ServerState {
    const { config } = this.#observed;
    return {
      version: packageVersion(),
      runtime: process.version,
      address: this.#observed.address(),
      startedMs: this.#observed.startedMs,
      phase: this.#observed.isDraining() ? 'PHASE_DRAINING' : 'PHASE_SERVING',
      writable: config.writable,
      tls: config.tls.cert !== '',
    };
  }

  #totals(from: Tally, to: Tally, transfers: number, uploads: number): Totals {
    const { evictions, stalls } = this.#observed.counters;
    const { calls, errors, refusals } = to;
    const { receivedRawBytes, receivedWireBytes, sentRawBytes, sentWireBytes } = to;
    return {
      transfers,
      uploads,
      sentRawBytes,
      sentWireBytes,
      receivedRawBytes,
      receivedWireBytes,
      sentRawBytesPerSec: perSecond(from, to, 'sentRawBytes'),
      sentWireBytesPerSec: perSecond(from, to, 'sentWireBytes'),
      receivedRawBytesPerSec: perSecond(from, to, 'receivedRawBytes'),
      receivedWireBytesPerSec: perSecond(from, to, 'receivedWireBytes'),
      calls,
      errors,
      refusals,
      stalls: stalls.total,
      evictions: evictions.total,
      callsPerSec: perSecond(from, to, 'calls'),
    };
  }

  #slabs(): Slabs {
    const { config, counters } = this.#observed;
    const { slabs } = counters;
    return {
      count: slabs.total,
      slabBytes: config.slab.size,
      free: slabs.value('free'),
      leased: slabs.value('leased'),
      sending: slabs.value('sending'),
      quarantined: slabs.value('quarantined'),
    };
  }

  #pool(from: Tally, to: Tally): Pool {
    const { jobsNow, threads, workerDeaths } = this.#observed.counters;
    const jobs = Math.max(1, to.jobs - from.jobs);
    return {
      threads: threads.value(),
      jobsOutstanding: jobsNow.value('outstanding'),
      jobsWaiting: jobsNow.value('waiting'),
      utilization: utilization(from, to, threads.value()),
      jobsPerSec: perSecond(from, to, 'jobs'),
      jobMs: ((to.jobSeconds - from.jobSeconds) * 1000) / jobs,
      storageMs: ((to.storageSeconds - from.storageSeconds) * 1000) / jobs,
      deaths: workerDeaths.total,
    };
  }

  #eventLoop(): EventLoop {
    const use = performance.eventLoopUtilization();
    const since = this.#lastUse === undefined ? use : performance.eventLoopUtilization(use, this.#lastUse);
    this.#lastUse = use;
    return { ...this.#loopDelay.recent, utilization: since.utilization };
  }

  #memory(): Memory {
    const { config, counters } = this.#observed;
    const { external, heapTotal, heapUsed, rss } = process.memoryUsage();
    return {
      rssBytes: rss,
      heapUsedBytes: heapUsed,
      heapTotalBytes: heapTotal,
      externalBytes: external,
      boundBytes: memoryBoundBytes(config).total,
      windowBytes: counters.windowBytes.value('granted'),
    };
  }

  #places(kind: (typeof PLACE_KINDS)[number]): Places {
    const { config, counters, prelude } = this.#observed;
    return {
      kind,
      taken: counters.places.value(kind),
      limit: kind === 'connections' ? config.limits.connections : prelude.places[kind].limit,
      refusals: counters.refusals.value(kind),
      evictions: counters.evictions.value(kind),
    };
  }
}

function uploadOf(upload: StoredUpload): OpenUpload {
  const {
    committedSize,
    expectedSize,
    expiresMs,
    id,
    isBusy,
    name,
    owner,
    receivedSize,
    startedMs,
    touchedMs,
  } = upload;
  return {
    id,
    name: name ?? '',
    owner: owner ?? '',
    startedMs: startedMs ?? 0,
    touchedMs,
    receivedBytes: receivedSize,
    committedBytes: committedSize,
    ...(expectedSize === undefined ? {} : { expectedSize }),
    expiresMs,
    busy: isBusy,
  };
}
