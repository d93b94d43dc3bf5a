/** Settings of a link as people write them. A comma stands between the value for up and the one for down. */
import { formatBytes, parseBytes, parseDurationMs } from '../src/base/units.ts';
import type { DirectedFault, Direction, Endpoint } from './connection.ts';
import type { EachWay } from './link.ts';

/** Throws with what was wrong. */
export function parseDelays(text: string): EachWay<number> {
  return parseEachWay(text, parseDurationMs, 'a duration, as in 8ms');
}

/** `10MiB/s`, `none` for no limit. */
export function parseRates(text: string): EachWay<number> {
  return parseEachWay(text, parseRate, 'a rate above zero, as in 10MiB/s, or none');
}

export function parseSize(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === undefined) throw new Error(`"${text}" is not a number of bytes, as in 1MiB`);
  return bytes;
}

/** `host:port`, `[v6]:port`, `:port` for the loopback. */
export function parseEndpoint(text: string): Endpoint {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new Error(`"${text}" is not host:port`);
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port };
}

/** The opposite of `parseEndpoint`. */
export function writeEndpoint({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function parseDirection(text: string): Direction {
  if (text === 'up' || text === 'down') return text;
  throw new Error(`"${text}" is not a direction: up (from the client) or down`);
}

/** `down,1MiB`. */
export function parseFault(kind: DirectedFault['kind'], text: string): DirectedFault {
  const [direction = '', at = ''] = text.split(',');
  return { kind, direction: parseDirection(direction), atByte: parseSize(at) };
}

/** `8ms`, or `8ms up, 2ms down`. */
export function describeEachWay(up: number, down: number, format: (value: number) => string): string {
  return up === down ? format(up) : `${format(up)} up, ${format(down)} down`;
}

export function formatRate(bytesPerSec: number): string {
  return Number.isFinite(bytesPerSec) ? `${formatBytes(bytesPerSec)}/s` : 'no limit';
}

/** The opposite of `parseDelays` and `parseRates`. */
export function writeEachWay(value: EachWay<number>, unit: string): string {
  const write = (one: number) => (Number.isFinite(one) ? `${one}${unit}` : 'none');
  if (typeof value !== 'object') return write(value);
  return `${value.up === undefined ? '' : write(value.up)},${value.down === undefined ? '' : write(value.down)}`;
}

function parseRate(text: string): number | undefined {
  if (text === 'none') return Number.POSITIVE_INFINITY;
  const bytesPerSec = parseBytes(text.replace(/\/s$/, ''));
  return bytesPerSec === 0 ? undefined : bytesPerSec;
}

/** A direction left empty is not set. */
function parseEachWay(
  text: string,
  parse: (one: string) => number | undefined,
  expected: string,
): EachWay<number> {
  const parseOne = (one: string) => {
    const value = parse(one);
    if (value === undefined) throw new Error(`"${one}" is not ${expected}`);
    return value;
  };
  const [up = '', down, ...rest] = text.split(',');
  if (rest.length > 0) throw new Error(`"${text}" has more than a value for up and one for down`);
  if (down === undefined) return parseOne(up);
  return {
    ...(up === '' ? {} : { up: parseOne(up) }),
    ...(down === '' ? {} : { down: parseOne(down) }),
  };
}
