/** Whether a failure means that the file is not the one that the download was begun with. */
import { TransferError } from '../../base/errors.ts';
import type { StatFileRequest, StatFileResponse } from '../../wire/messages.ts';
import { isStated } from '../../wire/status.ts';
import type { Channel } from '../connection/channel.ts';
import type { Position } from './position.ts';

export interface FileChangeContext {
  /** The first connection of the download. */
  readonly channel: Channel;
  /** The failure came on it; what came on another is to be confirmed. */
  readonly isFirst: boolean;
  readonly signal: AbortSignal;
}

/** The error that says so; undefined when the failure means something else. */
export async function fileChange(
  error: TransferError,
  position: Position,
  context: FileChangeContext,
): Promise<TransferError | undefined> {
  const hasShrunk = error.code === 'OUT_OF_RANGE' && position.start > position.request.start;
  const change = hasShrunk ? new TransferError('FILE_CHANGED', error.message, { cause: error }) : error;
  if (change.code !== 'VERSION_MISMATCH' && change.code !== 'FILE_CHANGED') return undefined;
  return context.isFirst && !isGuess(change) ? change : await versionChange(change, position, context);
}

/** FAILED_PRECONDITION without a sluice code may mean more than another version. */
export function isGuess(error: TransferError): boolean {
  return error.code === 'VERSION_MISMATCH' && !isStated(error);
}

/** The file has changed only if its version on the first connection has. */
async function versionChange(
  error: TransferError,
  { content: { ifMatch }, request: { name } }: Position,
  { channel, signal }: FileChangeContext,
): Promise<TransferError | undefined> {
  if (ifMatch === '') return undefined;
  const request: StatFileRequest = { fileName: name, digest: false };
  try {
    const { file } = await channel.unary<StatFileRequest, StatFileResponse>('StatFile', request, signal);
    if (file === null || file.version === ifMatch) return undefined;
    return new TransferError('VERSION_MISMATCH', error.message, {
      cause: error.cause,
      version: file.version,
    });
  } catch {
    // The next attempt is pinned to the version anyway.
    return undefined;
  }
}
