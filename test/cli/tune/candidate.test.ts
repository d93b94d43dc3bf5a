import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GIB, KIB, MIB } from '../../../src/base/units.ts';
import {
  type Candidate,
  DEFAULTS,
  flagsOf,
  neighbours,
  nextBeyond,
  problemOf,
  TUNED_KEYS,
  type TunedKey,
  valueIn,
  withValue,
  writeCandidate,
} from '../../../src/cli/tune/candidate.ts';
import { configSchema } from '../../../src/config/schema.ts';

const LARGE_BYTES = 64 * GIB;

/** Any walk from neighbour to neighbour. */
const anyWalk = fc.array(fc.tuple(fc.constantFrom(...TUNED_KEYS), fc.nat(1)), { maxLength: 20 });

function follow(walk: readonly (readonly [TunedKey, number])[]): Candidate {
  return walk.reduce((at, [key, side]) => {
    const value = neighbours(at, key)[side];
    return value === undefined ? at : withValue(at, key, value);
  }, DEFAULTS);
}

test('the neighbours of the defaults are one step away on both sides', () => {
  assert.deepEqual(neighbours(DEFAULTS, 'slab.size'), [256 * KIB, MIB]);
  assert.deepEqual(neighbours(DEFAULTS, 'slab.count'), [32, 128]);
  assert.deepEqual(neighbours(DEFAULTS, 'stream.jobsInFlight'), [2, 6]);
});

test('at an end of the ladder both neighbours are on the same side', () => {
  assert.deepEqual(neighbours(DEFAULTS, 'compression.level'), [2, 3]);
  assert.deepEqual(neighbours({ 'slab.count': 1024 }, 'slab.count'), [512, 256]);
});

test('beyond a value lies the next one in the same direction, until the ladder ends', () => {
  assert.equal(nextBeyond('slab.count', 64, 128), 256);
  assert.equal(nextBeyond('slab.count', 64, 32), 16);
  assert.equal(nextBeyond('slab.count', 512, 1024), undefined);
});

test('a value at its default is not part of a candidate', () => {
  const changed = withValue(DEFAULTS, 'slab.count', 128);
  assert.deepEqual(changed, { 'slab.count': 128 });
  assert.deepEqual(withValue(changed, 'slab.count', 64), DEFAULTS);
});

test('a smaller slab takes the chunks with it, a larger chunk its cap', () => {
  assert.deepEqual(withValue(DEFAULTS, 'slab.size', 128 * KIB), {
    'slab.size': 128 * KIB,
    'chunk.size': 128 * KIB,
    'chunk.maxSize': 128 * KIB,
  });
  assert.equal(withValue({ 'slab.size': 2 * MIB }, 'chunk.size', MIB)['chunk.maxSize'], MIB);
});

test('a chunk larger than a slab cannot be', () => {
  assert.match(String(problemOf(withValue(DEFAULTS, 'chunk.size', MIB), LARGE_BYTES)), /slab\.size/);
});

test('more slabs than the memory holds cannot be', () => {
  assert.equal(problemOf(withValue(DEFAULTS, 'slab.count', 1024), LARGE_BYTES), undefined);
  assert.match(String(problemOf(withValue(DEFAULTS, 'slab.count', 1024), GIB / 2)), /lower slab\.count/);
});

test('wherever steps lead, what can be is what a server takes, and says what it changes', () => {
  fc.assert(
    fc.property(anyWalk, (walk) => {
      const candidate = follow(walk);
      const flags = flagsOf(candidate);
      assert.equal(flags.length, 2 * Object.keys(candidate).length);
      assert.equal(writeCandidate(candidate) === 'the defaults', flags.length === 0);
      if (problemOf(candidate, LARGE_BYTES) !== undefined) return;
      const { chunk, slab } = configSchema.parse(treeOf(candidate));
      assert.ok(chunk.size <= chunk.maxSize && chunk.maxSize <= slab.size);
    }),
  );
});

test('no neighbour is the value itself', () => {
  fc.assert(
    fc.property(anyWalk, fc.constantFrom(...TUNED_KEYS), (walk, key) => {
      const candidate = follow(walk);
      assert.ok(!neighbours(candidate, key).includes(valueIn(candidate, key)));
    }),
  );
});

function treeOf(candidate: Candidate): Record<string, Record<string, number>> {
  const tree: Record<string, Record<string, number>> = {};
  for (const [key, value] of Object.entries(candidate)) {
    const [group = '', name = ''] = key.split('.');
    tree[group] = { ...tree[group], [name]: value };
  }
  return tree;
}
