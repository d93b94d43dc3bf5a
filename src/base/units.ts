/**
 * Bytes and durations as people write them: `64KiB`, `1MiB`, `30s`, `250ms`.
 * Binary units only (KiB = 1024 bytes); `K`, `M`, `G` mean the binary ones.
 */

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

const BYTE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: KIB,
  kib: KIB,
  m: MIB,
  mib: MIB,
  g: GIB,
  gib: GIB,
  t: 1024 * GIB,
  tib: 1024 * GIB,
};

const TIME_UNITS_MS: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A whole number of bytes, or undefined when `text` is not a size. */
export function parseBytes(text: string): number | undefined {
  return parseUnit(text, BYTE_UNITS);
}

/** A whole number of milliseconds, or undefined when `text` is not a duration. */
export function parseDurationMs(text: string): number | undefined {
  return parseUnit(text, TIME_UNITS_MS);
}

function parseUnit(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (match === null) return undefined;
  const factor = units[(match[2] ?? '').toLowerCase()];
  if (factor === undefined) return undefined;
  const value = Number(match[1]) * factor;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** `1536` → `1.50 KiB`: three significant figures and the unit; whole numbers of bytes. */
export function formatBytes(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < names.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${names[unit]}`;
}

/** `90500` → `1m31s`; below a minute one decimal of a second; below a second whole milliseconds. */
export function formatDuration(ms: number): string {
  if (Math.round(ms) < 1000) return `${Math.round(ms)}ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  const h = Math.floor(seconds / 3600);
  const m = Math.floor((seconds % 3600) / 60);
  return h > 0 ? `${h}h${m}m` : `${m}m${seconds % 60}s`;
}
