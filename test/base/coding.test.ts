import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { codingsFor, nameOfCoding } from '../../src/base/coding.ts';

function names(...args: Parameters<typeof codingsFor>): string[] {
  return codingsFor(...args).map(nameOfCoding);
}

describe('the codings to choose from', () => {
  it('are three levels for a peer that has gzip only', () => {
    assert.deepEqual(names(['gzip'], 6), ['gzip 1', 'gzip 4', 'gzip 6']);
  });

  it('reach as far as the configured level', () => {
    assert.deepEqual(names(['gzip'], 1), ['gzip 1']);
    assert.deepEqual(names(['gzip'], 5), ['gzip 1', 'gzip 4']);
  });

  it('have brotli in place of the fast gzip, which it beats in both speed and size', () => {
    assert.deepEqual(names(['gzip', 'brotli'], 6), ['brotli 0', 'brotli 1', 'gzip 4', 'gzip 6']);
  });

  it('have nothing slower than the slowest gzip that is allowed', () => {
    assert.deepEqual(names(['gzip', 'brotli', 'zstd'], 1), ['brotli 0', 'zstd 1', 'zstd 3']);
  });

  it('have zstd between the fastest and the smallest', () => {
    assert.deepEqual(names(['gzip', 'brotli', 'zstd'], 6), ['brotli 0', 'zstd 1', 'zstd 3', 'gzip 6']);
  });

  it('are none for a peer that decompresses nothing', () => {
    assert.deepEqual(names([], 9), []);
  });

  it('come with the fastest first', () => {
    const speeds = codingsFor(['gzip', 'brotli', 'zstd'], 9).map(({ speed }) => speed);
    assert.deepEqual(
      speeds,
      [...speeds].sort((a, b) => b - a),
    );
  });
});
