/** Which samples are taken for noise without being compressed. */
import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, it } from 'node:test';
import { isNoise, PROBE_BYTES } from '../../src/base/compressibility.ts';
import { textBytes } from '../support/test-engine.ts';

/** The same in each run, and no pattern that a codec would find. */
function noise(bytes: number): Buffer {
  return createCipheriv('aes-256-ctr', Buffer.alloc(32), Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

describe('noise', () => {
  it('is what has no pattern', () => {
    const samples = 256;
    const bytes = noise(samples * PROBE_BYTES);
    for (let at = 0; at < bytes.length; at += PROBE_BYTES) {
      assert.equal(isNoise(bytes.subarray(at, at + PROBE_BYTES)), true, `sample at ${at}`);
    }
  });

  it('is nothing that gets smaller', () => {
    const patterns = {
      text: textBytes(PROBE_BYTES),
      zeros: Buffer.alloc(PROBE_BYTES),
      hexadecimal: Buffer.from(noise(PROBE_BYTES / 2).toString('hex')),
      base64: Buffer.from(noise(PROBE_BYTES / 2).toString('base64')),
      'all bytes in turn': Uint8Array.from({ length: PROBE_BYTES }, (_, at) => at % 256),
      'a block twice': Buffer.concat([noise(PROBE_BYTES / 2), noise(PROBE_BYTES / 2)]),
      'samples of sound': Buffer.from(
        Int16Array.from({ length: PROBE_BYTES / 2 }, (_, at) => 9000 * Math.sin(at / 9)).buffer,
      ),
      'text behind noise': Buffer.concat([noise(PROBE_BYTES - 2048), textBytes(2048)]),
    };
    for (const [name, bytes] of Object.entries(patterns)) assert.equal(isNoise(bytes), false, name);
  });

  it('is not seen in a few bytes', () => {
    assert.equal(isNoise(noise(1024)), false);
    assert.equal(isNoise(Buffer.alloc(0)), false);
  });
});
