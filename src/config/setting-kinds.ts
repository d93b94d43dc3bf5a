/**
 * The kinds of settings: how their text is read, their range, and metadata for
 * the derived forms (flags, messages, reference).
 *
 * Programs give sizes and durations as plain numbers of bytes and
 * milliseconds. Text is stricter: a duration needs its unit, because
 * `grace: 30` would otherwise silently mean 30 ms.
 */
import { z } from 'zod';
import { parseBytes, parseDurationMs } from '../base/units.ts';

export type SettingKind = 'bytes' | 'duration' | 'count' | 'text' | 'flag' | 'choice';
export type SettingValue = number | string | boolean;

/** What the derived forms need to know of one setting. */
export interface SettingMeta {
  kind: SettingKind;
  /** One or two sentences about effect and bounds. */
  describe: string;
  initial: SettingValue;
  /** How the default is computed, where it depends on the machine; shown instead of `initial`. */
  initialRule?: string;
  /** Numbers only: the smallest and largest value, both allowed. */
  range?: { min: number; max: number };
  /** Choices only. */
  choices?: readonly string[];
  /** A running server takes over a new value. */
  isLive?: true;
}

const metaOf = new WeakMap<object, SettingMeta>();

/** The meta of a leaf of the schema; undefined for anything else. */
export function settingMetaOf(schema: object): SettingMeta | undefined {
  return metaOf.get(schema);
}

/** The meta is kept under the outermost schema, so `.default` comes before this. */
function register<T extends z.ZodType>(schema: T, meta: SettingMeta): T {
  metaOf.set(schema, meta);
  return schema;
}

/** Marks a setting that a running server takes over when it reloads its configuration. */
export function live<T extends z.ZodType>(schema: T): T {
  const meta = metaOf.get(schema);
  if (meta === undefined) throw new Error('a setting is marked as live once it is made');
  return register(schema, { ...meta, isLive: true });
}

/** Bytes: a number, or text such as `64KiB`. */
export function bytes(initial: number, min: number, max: number, describe: string) {
  const schema = z.preprocess(readBytes, z.int().min(min).max(max)).default(initial);
  return register(schema, { kind: 'bytes', describe, initial, range: { min, max } });
}

/** Milliseconds: a number, or text with a unit such as `30s`. */
export function durationMs(initial: number, min: number, max: number, describe: string) {
  const schema = z.preprocess(readDurationMs, z.int().min(min).max(max)).default(initial);
  return register(schema, { kind: 'duration', describe, initial, range: { min, max } });
}

/** A whole number. */
export function count(initial: number, min: number, max: number, describe: string, initialRule?: string) {
  const schema = z.preprocess(readCount, z.int().min(min).max(max)).default(initial);
  const meta: SettingMeta = { kind: 'count', describe, initial, range: { min, max } };
  return register(schema, initialRule === undefined ? meta : { ...meta, initialRule });
}

/** A whole number, or `auto`, which is `automatic` here. */
export function countOrAuto(initial: number, min: number, max: number, automatic: number, describe: string) {
  const read = (value: unknown) => (value === 'auto' ? automatic : readCount(value));
  const schema = z.preprocess(read, z.int().min(min).max(max)).default(initial);
  return register(schema, { kind: 'count', describe, initial, range: { min, max } });
}

/** Text; where the default is not empty, it may not be set to empty either. */
export function text(initial: string, describe: string) {
  const schema = z
    .string()
    .min(initial === '' ? 0 : 1)
    .default(initial);
  return register(schema, { kind: 'text', describe, initial });
}

/** true or false. */
export function flag(initial: boolean, describe: string) {
  const schema = z.preprocess(readFlag, z.boolean()).default(initial);
  return register(schema, { kind: 'flag', describe, initial });
}

/** One of a few words. */
export function choice<const T extends readonly [string, ...string[]]>(
  initial: T[number],
  choices: T,
  describe: string,
) {
  const schema = z.enum(choices).default(initial as never);
  return register(schema, { kind: 'choice', describe, initial, choices });
}

/** Settings under one common first word. */
export function group<T extends z.core.$ZodLooseShape>(shape: T) {
  return z.strictObject(shape).prefault({} as never);
}

// Each reader passes on unreadable values, which the schema behind it refuses.

function readBytes(value: unknown): unknown {
  return typeof value === 'string' ? (parseBytes(value) ?? value) : value;
}

function readDurationMs(value: unknown): unknown {
  if (typeof value !== 'string' || (isUnitless(value) && Number(value) !== 0)) return value;
  return parseDurationMs(value) ?? value;
}

/** Whether text is a number without a unit, which as a duration is ambiguous unless it is 0. */
export function isUnitless(value: string): boolean {
  return /^[\d.]+$/.test(value.trim());
}

function readCount(value: unknown): unknown {
  return typeof value === 'string' && /^\d+$/.test(value.trim()) ? Number(value) : value;
}

function readFlag(value: unknown): unknown {
  return value === 'true' ? true : value === 'false' ? false : value;
}
