/**
 * What goes to standard output, and how text from elsewhere is shown. A reader
 * that went away (`sluice ls | head`) is no failure.
 */
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { isatty } from 'node:tty';
import picocolors from 'picocolors';
import { MIB } from '../../base/units.ts';

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

/** How far a slow reader may lag behind. */
const MAX_WAITING_NOTE_BYTES = MIB;

/** Why each lost stream failed; later writes to it are dropped. */
const losses = new WeakMap<Writable, NodeJS.ErrnoException>();

/**
 * From here on nothing ends because standard output or error cannot be written:
 * a transfer is worth more than the lines about it. `lossOf` tells it.
 */
export function guardOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (!losses.has(stream)) losses.set(stream, error);
    });
  }
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  process.once('exit', () => closeHungUp(terminals));
}

/** Node resets each open terminal at exit, and aborts where a terminal has hung up. */
function closeHungUp(terminals: readonly number[]): void {
  for (const fd of terminals) {
    if (!isatty(fd)) closeSync(fd);
  }
}

/** Why standard output takes no more; undefined while it does. */
export function lossOfOutput(): NodeJS.ErrnoException | undefined {
  return losses.get(process.stdout);
}

/** Whether standard output was lost because its reader went away or its terminal was closed: nobody misses anything. */
export function isReaderGone({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EPIPE' || (code === 'EIO' && process.stdout.isTTY);
}

/** Resolves when the stream takes more, so that a slow reader slows the writer down. */
export async function writeLine(line: string, stream: Writable = process.stdout): Promise<void> {
  if (losses.has(stream) || stream.write(`${line}\n`)) return;
  // Failures are handled by `guardOutput`.
  await once(stream, 'drain').catch(() => {});
}

/** One line of JSON. */
export async function writeJson(value: unknown, stream: Writable = process.stdout): Promise<void> {
  await writeLine(JSON.stringify(value), stream);
}

/** A line about progress, dropped while too many wait for a stuck reader. */
export function writeNote(line: string, stream: Writable): void {
  if (stream.writableLength < MAX_WAITING_NOTE_BYTES) stream.write(`${line}\n`);
}

/** Resolves when all that was written has been taken or is lost, at the latest after `limitMs`. */
export async function flushed(stream: Writable, limitMs?: number): Promise<void> {
  if (stream.writableLength === 0) return;
  const taken = new Promise<void>((resolve) => void stream.write('', () => resolve()));
  await (limitMs === undefined ? taken : Promise.race([taken, delay(limitMs, undefined, { ref: false })]));
}

/** Text from a server, safe to print: terminals interpret control characters. */
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
