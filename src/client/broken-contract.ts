/** What a server does that the contract rules out. */
import { TransferError } from '../base/errors.ts';

export function brokenContract(problem: string): TransferError {
  return new TransferError('PROTOCOL_ERROR', `the server broke the contract: ${problem}`);
}
