/** How streaming calls of either direction end before their time. */
import type { StatusObject } from '@grpc/grpc-js';
import type { TransferError } from '../base/errors.ts';
import type { PlaceHolder } from '../base/places.ts';
import { statusOf } from '../wire/status.ts';

/** What a streaming call of either direction has for its end. */
export interface EndableCall {
  readonly movedBytes: number;
  readonly isHeldUp: boolean;
  readonly isClosed: boolean;
  abandon(error: TransferError): void;
  fail(status: StatusObject): void;
  reset(): void;
  onClose(listener: () => void): void;
}

/** The place of a streaming call. After losing it, the call has `lingerMs` to tell the peer. */
export function holderOf(call: EndableCall, lingerMs: number): PlaceHolder {
  return {
    get movedBytes() {
      return call.movedBytes;
    },
    get isHeldUp() {
      return call.isHeldUp;
    },
    evict(error) {
      call.abandon(error);
      linger(call, lingerMs);
    },
    cut: () => call.reset(),
  };
}

/** A stalled peer may never read the status: the status gets a while, then the stream is reset. */
export function endWithError(call: EndableCall, error: TransferError, lingerMs: number): void {
  if (call.isClosed) return;
  call.fail(statusOf(error));
  linger(call, lingerMs);
}

function linger(call: EndableCall, lingerMs: number): void {
  const timer = setTimeout(() => call.reset(), lingerMs);
  call.onClose(() => clearTimeout(timer));
}
