/**
 * A name quoted for a message: one line, printable, bounded, valid Unicode. Names
 * come from peers, and messages go to status details, logs and terminals; a lone
 * surrogate in status details would break the call.
 */
import { toUSVString } from 'node:util';

const MAX_QUOTED_CHARACTERS = 120;

/** `name` in double quotes, escaped as in JSON, cut with `…` when it is long. */
export function quoteName(name: string): string {
  // A character has at most two code units: a hostile name is cut before it is spread.
  const characters = [...toUSVString(name.slice(0, 2 * MAX_QUOTED_CHARACTERS + 2))];
  const isCut = characters.length > MAX_QUOTED_CHARACTERS;
  const shown = isCut ? `${characters.slice(0, MAX_QUOTED_CHARACTERS).join('')}…` : characters.join('');
  return JSON.stringify(shown).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escapeCharacter);
}

function escapeCharacter(character: string): string {
  const codePoint = character.codePointAt(0) ?? 0;
  return codePoint > 0xffff
    ? `\\u{${codePoint.toString(16)}}`
    : `\\u${codePoint.toString(16).padStart(4, '0')}`;
}
