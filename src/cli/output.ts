/**
 * What goes to standard output, and how text from elsewhere is shown. A reader
 * that went away (`sluice ls | head`) ends the program quietly.
 */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import picocolors from 'picocolors';
import { EXIT_CODES } from './exit-code.ts';

export type Colors = ReturnType<typeof picocolors.createColors>;

/** Colours for a stream: only on a terminal, and never with NO_COLOR set. */
export function colorsFor(stream: { isTTY?: boolean }): Colors {
  const { NO_COLOR, TERM } = process.env;
  return picocolors.createColors(stream.isTTY === true && !NO_COLOR && TERM !== 'dumb');
}

/** Whether a stream can show something that moves. */
export function isLive(stream: { isTTY?: boolean }): boolean {
  return stream.isTTY === true && process.env.TERM !== 'dumb';
}

/** Resolves when there is room for the next line, so that a slow reader slows the writer down. */
export async function writeLine(line: string, stream: Writable = process.stdout): Promise<void> {
  if (!stream.write(`${line}\n`)) await once(stream, 'drain');
}

/** One line of JSON. */
export async function writeJson(value: unknown, stream: Writable = process.stdout): Promise<void> {
  await writeLine(JSON.stringify(value), stream);
}

/**
 * Ends the program when its output cannot be written: quietly with 0 when
 * nobody reads it any more, with an error otherwise (a full disk).
 */
export function guardOutput(stream: Writable): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT_CODES.ok.code);
    process.stderr.write(`error: standard output cannot be written: ${error.message}\n`);
    process.exit(EXIT_CODES.localIo.code);
  });
}

/** Text from a server, safe to print: a terminal would obey the control characters in it. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, escaped);
}

/** As `printable`, but keeps line breaks. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** `2026-11-20 05:42:00Z`: UTC, to the second. */
export function writeTime(epochMs: number): string {
  return new Date(epochMs)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');
}
