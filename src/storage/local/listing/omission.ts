/** Why a listing leaves something out, and how its name is shown. */
import { Buffer, isUtf8 } from 'node:buffer';
import { errnoOf } from '../../../base/errors.ts';
import type { Omission } from '../../store.ts';
import { toStorageError } from '../io-error.ts';

/** The entry was removed or replaced meanwhile. */
const GONE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ESTALE']);

const MAX_SHOWN_CHARACTERS = 240;

/** The omission of what failed with the system error `cause`; undefined for what is gone. Throws where the server itself is short of something. */
export function omissionOf(rawName: string, cause: unknown): Omission | undefined {
  if (GONE.has(errnoOf(cause))) return undefined;
  const error = toStorageError(cause, '');
  if (error === cause || error.code === 'RESOURCE_EXHAUSTED') throw error;
  return { shownName: shownName(rawName), reason: 'UNREADABLE' };
}

/** A name of any bytes (Latin-1, as the disk has it) as text on one line. */
export function shownName(rawName: string): string {
  const bytes = Buffer.from(rawName, 'latin1');
  const text = isUtf8(bytes) ? bytes.toString('utf8') : rawName.replace(/[\x80-\xff]/g, escapedByte);
  const shown = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escapedCharacter);
  return shown.length > MAX_SHOWN_CHARACTERS
    ? `${shown.slice(0, MAX_SHOWN_CHARACTERS).toWellFormed()}…`
    : shown;
}

function escapedByte(byte: string): string {
  return `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

function escapedCharacter(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
