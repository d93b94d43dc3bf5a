/**
 * How values of settings are written for people. They can be read back as the
 * same value: sizes and durations are exact, in the largest unit that divides
 * them.
 */
import type { SettingMeta, SettingValue } from './setting-kinds.ts';

const BYTE_UNITS = [
  ['TiB', 1024 ** 4],
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
] as const;

const TIME_UNITS = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

/** `65536` → `64KiB`; `1000` → `1000`. */
export function writeBytes(bytes: number): string {
  return writeExact(bytes, BYTE_UNITS, '');
}

/** `90000` → `90s`; `0` → `0`. */
export function writeDuration(ms: number): string {
  return ms === 0 ? '0' : writeExact(ms, TIME_UNITS, 'ms');
}

function writeExact(value: number, units: readonly (readonly [string, number])[], base: string): string {
  const unit = value === 0 ? undefined : units.find(([, factor]) => value % factor === 0);
  return unit === undefined ? `${value}${base}` : `${value / unit[1]}${unit[0]}`;
}

/** A value in the notation of its kind. Empty text stays empty. */
export function writeValue(value: SettingValue, meta: SettingMeta): string {
  if (meta.kind === 'bytes') return writeBytes(Number(value));
  if (meta.kind === 'duration') return writeDuration(Number(value));
  return String(value);
}

/** What a setting accepts: `64KiB to 1MiB`, `auto or off`; undefined where anything goes. */
export function writeRange(meta: SettingMeta): string | undefined {
  if (meta.kind === 'flag') return 'true or false';
  if (meta.choices !== undefined) return writeChoices(meta.choices);
  if (meta.range === undefined) return undefined;
  return `${writeValue(meta.range.min, meta)} to ${writeValue(meta.range.max, meta)}`;
}

function writeChoices(choices: readonly string[]): string {
  return `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`;
}
