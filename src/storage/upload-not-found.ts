/** The error of an upload that is not there, whatever store it was in. */
import { TransferError } from '../base/errors.ts';
import { quoteName } from './quoted-name.ts';

/** `why` stands after the id in the message. */
export function uploadNotFound(id: string, why: string): TransferError {
  return new TransferError('UPLOAD_NOT_FOUND', `the upload ${quoteName(id)} ${why}; start a new one`);
}
