/**
 * Contents of test files. Every byte is a function of the content and its
 * offset, so that any range can be checked without keeping the file, and bytes
 * of another file, or of another place in the same one, never pass.
 */
import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';

const WORD_BYTES = 4;
const LINE_BYTES = 16;
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
      for (let i = 0; i < words.length; i++) words[i] = scramble(seed, firstWord + i);
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
      let text = '';
      for (let line = firstLine; line * LINE_BYTES < end; line++) {
        text += `${String(line * LINE_BYTES).padStart(LINE_BYTES - 1, ' ')}\n`;
      }
      const skip = start - firstLine * LINE_BYTES;
      return Buffer.from(text, 'latin1').subarray(skip, skip + end - start);
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
  const expected = content.bytes(start, start + received.length);
  if (received.equals(expected)) return;
  const at = received.findIndex((byte, index) => byte !== expected[index]);
  const got = received.subarray(at, at + 24).toString('hex');
  const want = expected.subarray(at, at + 24).toString('hex');
  assert.fail(`${what} are wrong from offset ${start + at} on: ${got}, should be ${want}`);
}

function scramble(seed: number, word: number): number {
  let h = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(word + 1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}
