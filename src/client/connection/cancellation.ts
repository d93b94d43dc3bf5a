/** Ends calls and waits when the caller aborts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { cancellation, TransferError } from '../../base/errors.ts';

/** CANCELLED or DEADLINE_EXCEEDED: the caller has aborted it, with the signal's reason as its cause. */
export function cancelledBy({ reason }: AbortSignal): TransferError {
  return reason instanceof TransferError ? reason : cancellation(reason);
}

/** Calls `listener` with that error once `signal` is aborted, or at once; returns what stops listening. */
export function onCancelled(
  signal: AbortSignal | undefined,
  listener: (error: TransferError) => void,
): () => void {
  if (signal === undefined) return () => {};
  const onAbort = () => listener(cancelledBy(signal));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort);
  return () => signal.removeEventListener('abort', onAbort);
}

/** Waits; rejects with that error when the signal is aborted. */
export async function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (reason) {
    throw signal?.aborted ? cancelledBy(signal) : reason;
  }
}

/**
 * Ends a call in any state. grpc-js begins a call even if it is cancelled in the
 * turn of the event loop in which it was started: nobody reads the call, and the
 * server holds its place until the stall timeout. In the next turn the call has
 * begun and can be cancelled.
 */
export function cancelCall(call: { cancel(): void }): void {
  call.cancel();
  setImmediate(() => call.cancel());
}
