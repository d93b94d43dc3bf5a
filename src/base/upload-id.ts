/**
 * Ids of uploads, chosen by the client or else by the server. Whoever knows an
 * id may write to the upload, so ids cannot be guessed.
 */
import { randomBytes } from 'node:crypto';

/** 128 bits. */
const ID_BYTES = 16;

/** Lower case only: an id names files, and some file systems ignore case. */
const ID_PATTERN = /^[0-9a-f]{32}$/;

export function newUploadId(): string {
  return randomBytes(ID_BYTES).toString('hex');
}

export function isUploadId(text: string): boolean {
  return ID_PATTERN.test(text);
}
