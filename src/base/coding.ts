/**
 * How the bytes of a chunk can be sent: as they are, or compressed by a codec
 * at a level, with the typical speed and ratio of each coding.
 */
import { MIB } from './units.ts';

export type CodecName = 'gzip' | 'brotli' | 'zstd';

export interface Coding {
  readonly codec: CodecName | 'identity';
  /** The codec's own scale; 0 for identity. */
  readonly level: number;
}

/** A coding with its speed and size relative to gzip level 1, on typical text. */
export interface TypicalCoding extends Coding {
  /** Raw bytes a second of a worker, over those of gzip level 1. */
  readonly speed: number;
  /** Compressed size over that of gzip level 1. */
  readonly size: number;
}

export const IDENTITY: Coding = { codec: 'identity', level: 0 };

/** Of gzip level 1 with program text in chunks of 256 KiB, in bytes a millisecond of one worker. */
export const TYPICAL_BYTES_PER_MS = (190 * MIB) / 1000;

/** Compressed size over raw size, for the same data. */
export const TYPICAL_RATIO = 0.235;

/**
 * Measured with chunks of 256 KiB of program text, one core (bench/micro/codecs):
 *
 *             MiB/s  ratio  decoded at            MiB/s  ratio  decoded at
 *   gzip 1      196   .227         600   zstd 1     430   .209        1100
 *   gzip 4      140   .192         640   zstd 3     330   .195         960
 *   gzip 6       65   .180         650
 *   brotli 0    482   .229         500
 *   brotli 1    258   .214         510
 *
 * gzip 9 is half as fast as 6 for 1 % of the size, brotli from level 2 on is
 * between others, and of zstd from level 6 on Node 22 keeps hundreds of MiB
 * until it collects garbage, so they are left out.
 */
const TYPICAL: readonly TypicalCoding[] = [
  { codec: 'gzip', level: 1, speed: 1, size: 1 },
  { codec: 'gzip', level: 4, speed: 0.7, size: 0.85 },
  { codec: 'gzip', level: 6, speed: 0.33, size: 0.8 },
  { codec: 'brotli', level: 0, speed: 2.4, size: 1.01 },
  { codec: 'brotli', level: 1, speed: 1.3, size: 0.94 },
  { codec: 'zstd', level: 1, speed: 2.2, size: 0.92 },
  { codec: 'zstd', level: 3, speed: 1.7, size: 0.86 },
];

/**
 * The codings worth choosing from when the peer takes `codecs`, the fastest
 * first: codings that another beats in both speed and size are left out.
 * @param maxGzipLevel bounds gzip, and with it what a worker may spend on any codec
 */
export function codingsFor(codecs: readonly CodecName[], maxGzipLevel: number): readonly TypicalCoding[] {
  const slowest = Math.min(
    ...TYPICAL.filter((each) => isGzipUpTo(each, maxGzipLevel)).map(({ speed }) => speed),
  );
  const open = TYPICAL.filter(({ codec, speed }) => codecs.includes(codec as CodecName) && speed >= slowest);
  return open.filter((one) => !open.some((other) => beats(other, one))).sort((a, b) => b.speed - a.speed);
}

function isGzipUpTo({ codec, level }: Coding, most: number): boolean {
  return codec === 'gzip' && level <= Math.max(1, most);
}

/** Clearly faster, and not notably larger. */
function beats(one: TypicalCoding, other: TypicalCoding): boolean {
  return one !== other && one.speed > other.speed * 1.2 && one.size <= other.size * 1.02;
}

/** `gzip 6`, `identity`: for logs and people. */
export function nameOfCoding({ codec, level }: Coding): string {
  return codec === 'identity' ? codec : `${codec} ${level}`;
}
