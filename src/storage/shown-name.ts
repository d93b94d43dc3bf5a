/** A name that no peer can ask for, as text on one line. */
import { Buffer, isUtf8 } from 'node:buffer';

const MAX_SHOWN_CHARACTERS = 240;

/** @param rawName of any bytes (Latin-1, as the disk has it) */
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
