/**
 * Settings that differ from the defaults, the neighbours of each value, and why
 * some combinations are invalid.
 *
 * Invariant: a candidate holds no setting at its default, so equal
 * configurations are equal objects.
 */
import { availableParallelism } from 'node:os';
import { TransferError } from '../../base/errors.ts';
import { KIB, MIB } from '../../base/units.ts';
import { loadConfig } from '../../config/load.ts';
import { writeValue } from '../../config/notation.ts';
import { type Setting, settingOfKey } from '../../config/settings.ts';

/** The settings that are tuned, in the order in which they are. */
export const TUNED_KEYS = [
  'pool.threads',
  'slab.size',
  'slab.count',
  'chunk.size',
  'stream.jobsInFlight',
  'compression.level',
] as const;

export type TunedKey = (typeof TUNED_KEYS)[number];

/** Values by key, only those that differ from the defaults. The empty one is the defaults. */
export type Candidate = Readonly<Record<string, number>>;

export const DEFAULTS: Candidate = {};

/** More threads than this for each processor gain nothing. */
const MAX_THREADS_PER_PROCESSOR = 2;

/** Values worth measuring: steps large enough to tell from noise. */
const LADDERS: Readonly<Record<TunedKey, readonly number[]>> = {
  'pool.threads': [1, 2, 4, 8, 16, 32, 64, 128].filter(
    (threads) => threads <= availableParallelism() * MAX_THREADS_PER_PROCESSOR,
  ),
  'slab.size': doublings(64 * KIB, 8 * MIB),
  'slab.count': doublings(8, 1024),
  'chunk.size': doublings(16 * KIB, 4 * MIB),
  'stream.jobsInFlight': [1, 2, 3, 6, 12, 24],
  'compression.level': [1, 2, 3, 4, 5, 6, 7, 8, 9],
};

function doublings(least: number, most: number): number[] {
  const values: number[] = [];
  for (let value = least; value <= most; value *= 2) values.push(value);
  return values;
}

/** The value of a setting in a candidate. */
export function valueIn(candidate: Candidate, key: string): number {
  return candidate[key] ?? Number(settingAt(key).meta.initial);
}

/**
 * The candidate with another value, and with what must follow it: a chunk that
 * fits the slab, and a cap that allows the chunk.
 */
export function withValue(candidate: Candidate, key: TunedKey, value: number): Candidate {
  const changed: Record<string, number> = { ...candidate, [key]: value };
  if (key === 'slab.size') {
    for (const chunkKey of ['chunk.size', 'chunk.maxSize'])
      changed[chunkKey] = Math.min(valueIn(candidate, chunkKey), value);
  }
  if (key === 'chunk.size') changed['chunk.maxSize'] = Math.max(valueIn(candidate, 'chunk.maxSize'), value);
  return withoutDefaults(changed);
}

/**
 * The values of the ladder beside the one that the candidate has: one below
 * and one above; at an end of the ladder two on the other side.
 */
export function neighbours(candidate: Candidate, key: TunedKey): number[] {
  const value = valueIn(candidate, key);
  const below = LADDERS[key].filter((step) => step < value).reverse();
  const above = LADDERS[key].filter((step) => step > value);
  if (below.length === 0) return above.slice(0, 2);
  if (above.length === 0) return below.slice(0, 2);
  return [below[0] as number, above[0] as number];
}

/** The next value of the ladder in the direction from `from` to `value`; undefined at its end. */
export function nextBeyond(key: TunedKey, from: number, value: number): number | undefined {
  const ladder = LADDERS[key];
  return value > from ? ladder.find((step) => step > value) : ladder.findLast((step) => step < value);
}

/** Why a server with this configuration and this much memory would not start; undefined when it would. */
export function problemOf(candidate: Candidate, availableBytes: number): string | undefined {
  try {
    loadConfig({ flags: candidate, availableBytes });
    return undefined;
  } catch (reason) {
    return TransferError.from(reason).message.split('\n').at(-1)?.trim();
  }
}

/** The flags of `sluice serve` that make it this candidate. */
export function flagsOf(candidate: Candidate): string[] {
  return Object.entries(candidate).flatMap(([key, value]) => [settingAt(key).flag, writeSetting(key, value)]);
}

/** `slab.size 1MiB, slab.count 32`; `the defaults`. */
export function writeCandidate(candidate: Candidate): string {
  const parts = Object.entries(candidate).map(([key, value]) => `${key} ${writeSetting(key, value)}`);
  return parts.length === 0 ? 'the defaults' : parts.join(', ');
}

/** The value in the notation of its kind. */
export function writeSetting(key: string, value: number): string {
  return writeValue(value, settingAt(key).meta);
}

export function isSame(one: Candidate, other: Candidate): boolean {
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key]);
}

function withoutDefaults(values: Readonly<Record<string, number>>): Candidate {
  const kept = Object.entries(values).filter(([key, value]) => value !== Number(settingAt(key).meta.initial));
  return Object.fromEntries(kept);
}

function settingAt(key: string): Setting {
  const setting = settingOfKey(key);
  if (setting === undefined) throw new Error(`there is no setting ${key}`);
  return setting;
}
