/** The calls that move bytes, as an operator sees them. */
import type { StreamSight } from '../engine/stream-sight.ts';
import type { AdmittedCall } from '../service/prelude/admitted-call.ts';
import type { IdentityUse, Transfer } from '../wire/admin-messages.ts';
import { bottleneckOf, type Marked } from './bottleneck.ts';

/** The methods whose calls are transfers. */
const TRANSFERS: ReadonlySet<string> = new Set(['StreamFile', 'UploadFile', 'ListFiles', 'Exchange']);

/** In one message. */
export const MAX_IDENTITIES = 20;

/** How a call that has been looked at stood then. */
interface Mark extends Marked {
  readonly wireBytes: number;
}

/** A call, and how it stands now. */
interface Look {
  readonly call: AdmittedCall;
  /** Before it moves bytes: nothing. */
  readonly sight: StreamSight;
  readonly before: Mark;
  readonly rawBytesPerSec: number;
  readonly wireBytesPerSec: number;
}

/** Looks at transfers again and again, and finds what they did meanwhile. */
export class TransferLooks {
  readonly #marks = new WeakMap<AdmittedCall, Mark>();

  /** All that there are, the fastest first. */
  look(calls: Iterable<AdmittedCall>, nowMs: number): Look[] {
    const looks: Look[] = [];
    for (const call of calls) if (TRANSFERS.has(call.method)) looks.push(this.#lookAt(call, nowMs));
    return looks.sort((a, b) => b.rawBytesPerSec - a.rawBytesPerSec || a.call.startMs - b.call.startMs);
  }

  #lookAt(call: AdmittedCall, nowMs: number): Look {
    const sight = call.facts.moving?.sight(nowMs) ?? { ...NOTHING, wireBytes: call.movedBytes };
    const before = this.#marks.get(call) ?? { ...NOTHING, atMs: call.startMs };
    const { movedBytes, peerMs, storageMs, wireBytes } = sight;
    this.#marks.set(call, { atMs: nowMs, movedBytes, peerMs, storageMs, wireBytes });
    const seconds = Math.max(1, nowMs - before.atMs) / 1000;
    return {
      call,
      sight,
      before,
      rawBytesPerSec: Math.max(0, movedBytes - before.movedBytes) / seconds,
      wireBytesPerSec: Math.max(0, wireBytes - before.wireBytes) / seconds,
    };
  }
}

export function transferOf(look: Look, nowMs: number): Transfer {
  const { call, rawBytesPerSec, sight, wireBytesPerSec, before } = look;
  const { facts, method, owner, peer, requestId } = call;
  const isUpload = method === 'UploadFile';
  const link = call.link(nowMs);
  const roundTripMs = link?.roundTripMs;
  return {
    id: requestId,
    who: whoOf(owner, peer),
    peer,
    method,
    name: sight.name ?? facts.file ?? '',
    direction: isUpload ? 'DIRECTION_UPLOAD' : 'DIRECTION_DOWNLOAD',
    startedMs: Math.round(performance.timeOrigin + call.startMs),
    start: sight.start,
    ...(sight.size === undefined ? {} : { size: sight.size }),
    movedBytes: sight.movedBytes,
    wireBytes: sight.wireBytes,
    rawBytesPerSec,
    wireBytesPerSec,
    coding: sight.coding,
    windowBytes: (isUpload ? link?.ownWindowBytes : link?.peerWindowBytes) ?? 0,
    inFlightBytes: sight.inFlightBytes,
    ...(roundTripMs === undefined ? {} : { roundTripMs }),
    slowBecause:
      facts.moving === undefined ? 'BOTTLENECK_UNSPECIFIED' : bottleneckOf(before, sight, nowMs, link),
    openRequests: sight.openRequests ?? 0,
    uploadId: facts.upload ?? '',
    codingReason: sight.codingReason,
  };
}

/** Who moves most. */
export function topIdentities(looks: readonly Look[]): IdentityUse[] {
  const uses = new Map<string, IdentityUse>();
  for (const { call, rawBytesPerSec, wireBytesPerSec } of looks) {
    const who = whoOf(call.owner, call.peer);
    const use = uses.get(who) ?? { who, transfers: 0, rawBytesPerSec: 0, wireBytesPerSec: 0 };
    use.transfers += 1;
    use.rawBytesPerSec += rawBytesPerSec;
    use.wireBytesPerSec += wireBytesPerSec;
    uses.set(who, use);
  }
  return [...uses.values()].sort(byRate).slice(0, MAX_IDENTITIES);
}

/** Who moves most comes first. */
export function byRate(a: IdentityUse, b: IdentityUse): number {
  return b.rawBytesPerSec - a.rawBytesPerSec || b.transfers - a.transfers;
}

/** Who a peer is, for people. */
export function whoOf(owner: string | null, peer: string): string {
  return owner ?? peer;
}

const NOTHING: StreamSight = {
  start: 0,
  movedBytes: 0,
  wireBytes: 0,
  inFlightBytes: 0,
  peerMs: 0,
  storageMs: 0,
  lacksCredit: false,
  coding: '',
  codingReason: '',
};
