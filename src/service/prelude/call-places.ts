/** The places of calls, by kind: what a call may hold is counted from its headers to its end. */
import { MAX_STANDING_CALLS } from '../../base/limits.ts';
import { Places } from '../../base/places.ts';

/** The limits that are settings, by the kinds they limit. */
export interface PlaceLimits {
  /** Calls with a single answer. */
  calls: number;
  /** Downloads and listings. */
  streams: number;
  uploadStreams: number;
}

/** Standing calls are streams of other services, which last for as long as their client likes. */
export type PlaceKind = keyof PlaceLimits | 'standing';

export class CallPlaces {
  readonly calls: Places;
  readonly streams: Places;
  readonly uploadStreams: Places;
  readonly standing: Places;

  constructor(limits: PlaceLimits) {
    this.calls = new Places({ what: 'calls', limit: limits.calls });
    this.streams = new Places({ what: 'transfers', limit: limits.streams });
    this.uploadStreams = new Places({ what: 'uploads', limit: limits.uploadStreams });
    this.standing = new Places({ what: 'standing calls', limit: MAX_STANDING_CALLS });
  }

  /** Stops the clocks. */
  close(): void {
    for (const places of [this.calls, this.streams, this.uploadStreams, this.standing]) places.close();
  }
}
