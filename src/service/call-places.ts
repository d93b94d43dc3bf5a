/**
 * The places of calls. Every call has one of its kind from its headers on, until
 * its stream is closed and its handler has ended: what either holds is counted.
 */
import type { PeerAddresses } from '../base/peer-address.ts';
import { type Place, type PlaceHolder, Places } from '../base/places.ts';
import { serverStreamOf } from '../flow/calls/call-stream.ts';
import { HeldStream } from '../flow/gate/held-stream.ts';
import { SERVICE_NAME } from '../wire/service.ts';

/** The kinds, named as the settings that limit them. */
export interface PlaceLimits {
  calls: number;
  streams: number;
  uploadStreams: number;
}

/** All other methods, of whatever service, are `calls`. */
const KINDS: ReadonlyMap<string, keyof PlaceLimits> = new Map([
  [`/${SERVICE_NAME}/StreamFile`, 'streams'],
  [`/${SERVICE_NAME}/ListFiles`, 'streams'],
  [`/${SERVICE_NAME}/UploadFile`, 'uploadStreams'],
]);

export class CallPlaces {
  readonly calls: Places;
  readonly streams: Places;
  readonly uploadStreams: Places;
  readonly #peers: PeerAddresses;
  readonly #byStream = new WeakMap<object, CallPlace>();

  constructor(limits: PlaceLimits, peers: PeerAddresses) {
    this.#peers = peers;
    this.calls = new Places({ what: 'calls', limit: limits.calls });
    this.streams = new Places({ what: 'transfers', limit: limits.streams });
    this.uploadStreams = new Places({ what: 'uploads', limit: limits.uploadStreams });
  }

  /**
   * Takes the place of a call whose headers have come, before anything is done for it.
   *
   * @throws TransferError RESOURCE_EXHAUSTED
   */
  admit(stream: ConstructorParameters<typeof HeldStream>[0], path: string): void {
    const held = new HeldStream(stream);
    const { socket } = held;
    const address = socket === undefined ? null : this.#peers.of(socket);
    const place = this[KINDS.get(path) ?? 'calls'].enter(address, held);
    const taken = new CallPlace(place, held, address);
    this.#byStream.set(stream, taken);
    held.onClose(() => taken.letGo());
  }

  /**
   * The place of a call whose handler begins, held for it until it calls `letGo`.
   *
   * @param holder what is to end when the place is lost; default: its stream
   * @throws TransferError RESOURCE_EXHAUSTED, where it was not admitted before
   */
  hold(call: object, path: string, holder?: PlaceHolder): CallPlace {
    const stream = serverStreamOf(call) as ConstructorParameters<typeof HeldStream>[0];
    if (!this.#byStream.has(stream)) this.admit(stream, path);
    const taken = this.#byStream.get(stream) as CallPlace;
    taken.hold(holder);
    return taken;
  }

  /** Stops the clocks. */
  close(): void {
    for (const places of [this.calls, this.streams, this.uploadStreams]) places.close();
  }
}

/** The place of one call: given back when its stream and its handler have let go of it. */
export class CallPlace {
  readonly #place: Place;
  /** What the peer is counted by; null: by nothing it has in common with others. */
  readonly address: string | null;
  readonly #stream: HeldStream;
  #holds = 1;

  constructor(place: Place, stream: HeldStream, address: string | null) {
    this.address = address;
    this.#place = place;
    this.#stream = stream;
  }

  hold(holder: PlaceHolder | undefined): void {
    this.#holds += 1;
    // The message is there: from now on the server is what the peer waits for.
    this.#stream.isHeldUp = true;
    if (holder !== undefined) this.#place.holder = holder;
  }

  letGo(): void {
    this.#holds -= 1;
    if (this.#holds === 0) this.#place.leave();
  }
}
