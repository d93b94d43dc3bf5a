/**
 * Contents of test files. Every byte is a function of the content and its
 * offset, so that any range can be checked without keeping the file, and bytes
 * of another file, or of another place in the same one, never pass.
 */
import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';

const WORD_BYTES = 4;
const LINE_BYTES = 16;
const NEWLINE = 0x0a;
const ZERO = 0x30;
const PIECE_BYTES = 1024 * 1024;

export interface Content {
  readonly size: number;
  /** The bytes `[start, end)`. */
  bytes(start: number, end: number): Buffer;
}

/** Looks random; does not get smaller by gzip. Two seeds have no common bytes but by chance. */
export function noise(seed: number, size: number): Content {
  return {
    size,
    bytes(start, end) {
      const firstWord = Math.floor(start / WORD_BYTES);
      const words = new Uint32Array(Math.ceil(end / WORD_BYTES) - firstWord);
      const salt = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b);
      for (let i = 0; i < words.length; i++) words[i] = scramble(salt, firstWord + i);
      const skip = start - firstWord * WORD_BYTES;
      return Buffer.from(words.buffer, skip, end - start);
    },
  };
}

/** Lines that each say at which offset they start; gets much smaller by gzip. */
export function lines(size: number): Content {
  return {
    size,
    bytes(start, end) {
      const firstLine = Math.floor(start / LINE_BYTES);
      const text = Buffer.alloc((Math.ceil(end / LINE_BYTES) - firstLine) * LINE_BYTES, ' ');
      let offset = firstLine * LINE_BYTES;
      for (let at = LINE_BYTES - 1; at < text.length; at += LINE_BYTES, offset += LINE_BYTES) {
        text[at] = NEWLINE;
        writeDigits(text, at, offset);
      }
      const skip = start - firstLine * LINE_BYTES;
      return text.subarray(skip, skip + end - start);
    },
  };
}

/** One content behind the other. */
export function joined(...parts: Content[]): Content {
  return {
    size: parts.reduce((sum, part) => sum + part.size, 0),
    bytes(start, end) {
      const pieces: Buffer[] = [];
      let partStart = 0;
      for (const part of parts) {
        const from = Math.max(start - partStart, 0);
        const to = Math.min(end - partStart, part.size);
        if (from < to) pieces.push(part.bytes(from, to));
        partStart += part.size;
      }
      return Buffer.concat(pieces);
    },
  };
}

export function writeContent(path: string, content: Content): void {
  const fd = openSync(path, 'w');
  try {
    for (let at = 0; at < content.size; at += PIECE_BYTES) {
      writeSync(fd, content.bytes(at, Math.min(content.size, at + PIECE_BYTES)));
    }
  } finally {
    closeSync(fd);
  }
}

/** Fails with the first offset that differs, not with a dump of the bytes. */
export function assertBytes(
  received: Buffer,
  content: Content,
  start: number,
  what = 'the received bytes',
): void {
  for (let at = 0; at < received.length; at += PIECE_BYTES) {
    assertPiece(received.subarray(at, at + PIECE_BYTES), content, start + at, what);
  }
}

function assertPiece(received: Buffer, content: Content, start: number, what: string): void {
  const expected = content.bytes(start, start + received.length);
  if (received.equals(expected)) return;
  const at = received.findIndex((byte, index) => byte !== expected[index]);
  const got = received.subarray(at, at + 24).toString('hex');
  const want = expected.subarray(at, at + 24).toString('hex');
  assert.fail(`${what} are wrong from offset ${start + at} on: ${got}, should be ${want}`);
}

/** The decimal digits of `value`, the last one before `end`. Strings would leave much garbage behind. */
function writeDigits(text: Buffer, end: number, value: number): void {
  let rest = value;
  let at = end;
  do {
    const tens = Math.floor(rest / 10);
    at -= 1;
    text[at] = ZERO + rest - tens * 10;
    rest = tens;
  } while (rest > 0);
}

function scramble(salt: number, word: number): number {
  let h = salt ^ Math.imul(word + 1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return h ^ (h >>> 16);
}
