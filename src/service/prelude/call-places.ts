/** The places of calls, by kind: what a call may hold is counted from its headers to its end. */
import type { Counters, PlaceKind } from '../../base/counters/counters.ts';
import { MAX_STANDING_CALLS } from '../../base/limits.ts';
import { Places } from '../../base/places.ts';

/** The limits that are settings, by the kinds they limit. */
export interface PlaceLimits {
  /** Calls with a single answer. */
  calls: number;
  /** Downloads and listings. */
  streams: number;
  uploadStreams: number;
  /** Open requests of Exchanges. */
  requests: number;
}

/** Standing calls are streams of other services, which last for as long as their client likes. */
export type CallKind = Exclude<PlaceKind, 'connections' | 'requests'>;

export class CallPlaces {
  readonly calls: Places;
  readonly streams: Places;
  readonly uploadStreams: Places;
  readonly standing: Places;
  /** Open requests of Exchanges. */
  readonly requests: Places;

  constructor(limits: PlaceLimits, counters: Counters) {
    const places = (as: CallKind | 'requests', what: string, limit: number) =>
      new Places({ what, limit, counted: { counters, as } });
    this.calls = places('calls', 'calls', limits.calls);
    this.streams = places('streams', 'transfers', limits.streams);
    this.uploadStreams = places('uploadStreams', 'uploads', limits.uploadStreams);
    this.standing = places('standing', 'standing calls', MAX_STANDING_CALLS);
    this.requests = places('requests', 'requests of Exchanges', limits.requests);
  }

  /** Limits them otherwise from now on. */
  limitTo(limits: PlaceLimits): void {
    for (const kind of ['calls', 'streams', 'uploadStreams', 'requests'] as const)
      this[kind].limitTo(limits[kind]);
  }

  /** Stops the clocks. */
  close(): void {
    for (const places of [this.calls, this.streams, this.uploadStreams, this.standing, this.requests])
      places.close();
  }
}
