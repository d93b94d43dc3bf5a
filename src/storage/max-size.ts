/** The largest file that a server takes. */
import { TransferError } from '../base/errors.ts';
import { quoteName } from './quoted-name.ts';

/**
 * `maxSizeBytes` 0 is no limit.
 *
 * @throws TransferError TOO_LARGE.
 */
export function requireSize(maxSizeBytes: number, name: string, size: number): void {
  if (maxSizeBytes > 0 && size > maxSizeBytes) {
    const message = `${quoteName(name)} is larger than the ${maxSizeBytes} bytes that this server takes; split it`;
    throw new TransferError('TOO_LARGE', message);
  }
  if (!Number.isSafeInteger(size)) {
    throw new TransferError('TOO_LARGE', `${quoteName(name)} is larger than any file can be; split it`);
  }
}
