/** What every RPC handler gets: bound once, when the server is built. With access control, a call gets stores of its own. */
import { GuardedStore } from '../access/guarded-store.ts';
import type { Counters } from '../base/counters/counters.ts';
import type { Engine } from '../engine/engine.ts';
import type { Share } from '../engine/jobs/share.ts';
import type { StreamWindows } from '../flow/windows/receive-windows.ts';
import type { Store } from '../storage/store.ts';
import type { AdmittedCall } from './prelude/admitted-call.ts';
import type { LiveUploads } from './uploads/live-uploads.ts';

export interface ServiceContext {
  /** Whose turns in the engine the caller's streams take. */
  share?: Share;
  store: Store;
  engine: Engine;
  counters: Counters;
  uploads: LiveUploads;
  /** False where the self-test found that runs must be sent message by message. */
  zeroCopy: boolean;
  /** False where the self-test found that chunks cannot be taken out of a call's stream directly. */
  directReads: boolean;
  /** Aborted when the server begins to drain. */
  draining: AbortSignal;
  /** Sees to the receive window of each upload stream. */
  uploadWindows: StreamWindows;
  chunk: { size: number; maxSize: number };
  compression: { mode: 'auto' | 'off'; minSize: number };
  /** How long a peer may take no byte, in milliseconds. */
  stallTimeoutMs: number;
  /** What a stalled stream gets to deliver its status, in milliseconds. */
  stallLingerMs: number;
}

/** `context` with the stores as the caller may use them, and the caller's share. */
export function contextOf(context: ServiceContext, { account, guard }: AdmittedCall): ServiceContext {
  const { share } = account;
  if (guard === null) return { ...context, share };
  const uploads = context.uploads.for(guard, account);
  return { ...context, share, store: new GuardedStore(context.store, guard), uploads };
}
