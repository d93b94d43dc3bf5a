/** Why a transfer is slow: what it waited for most of the time between two looks. */
import { MIB } from '../base/units.ts';
import type { StreamSight } from '../engine/stream-sight.ts';
import type { LinkSight } from '../flow/connections/link-probe.ts';
import type { Bottleneck } from '../wire/admin-messages.ts';

/** Shares over less time are noise. */
const MIN_ELAPSED_MS = 50;

/** Nobody calls this slow. */
const FAST_BYTES_PER_SEC = 50 * MIB;

/** An answer this much later than the shortest round trip waited behind data; as in LinkMeter. */
const QUEUED_MS = 15;

/** What the shares are taken of. */
export type Marked = Pick<StreamSight, 'movedBytes' | 'peerMs' | 'storageMs'> & { readonly atMs: number };

export function bottleneckOf(
  before: Marked,
  now: StreamSight,
  nowMs: number,
  link: LinkSight | undefined,
): Bottleneck {
  const elapsedMs = nowMs - before.atMs;
  if (elapsedMs < MIN_ELAPSED_MS) return 'BOTTLENECK_UNSPECIFIED';
  const movedBytes = now.movedBytes - before.movedBytes;
  if (movedBytes >= (FAST_BYTES_PER_SEC * elapsedMs) / 1000) return 'BOTTLENECK_NONE';
  if (now.lacksCredit) return 'BOTTLENECK_CREDIT';
  // Requests of an Exchange wait side by side.
  const peerMs = Math.min(elapsedMs, now.peerMs - before.peerMs);
  if (peerMs >= elapsedMs / 2) {
    // A peer that takes nothing at all does not answer either.
    const isQueued = link !== undefined && link.queueMs > QUEUED_MS && movedBytes > 0;
    return isQueued ? 'BOTTLENECK_LINK' : 'BOTTLENECK_PEER';
  }
  const storageMs = now.storageMs - before.storageMs;
  return storageMs >= (elapsedMs - peerMs) / 2 ? 'BOTTLENECK_DISK' : 'BOTTLENECK_WORKERS';
}
