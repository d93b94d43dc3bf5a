/**
 * Codecs of single chunks: those of this runtime, their numbers in the contract,
 * and the encoders of worker threads. Decoders are in `chunk-decoder.ts`.
 */
import { Buffer } from 'node:buffer';
import * as zlib from 'node:zlib';
import type { CodecName, Coding } from '../base/coding.ts';
import { TransferError } from '../base/errors.ts';
import type { Codec } from './messages.ts';

/** The enum Codec of the contract. */
const NUMBER_OF_CODEC: Readonly<Record<CodecName, number>> = { gzip: 1, brotli: 2, zstd: 3 };

const NAME_IN_CONTRACT: Readonly<Record<CodecName, Codec>> = {
  gzip: 'CODEC_GZIP',
  brotli: 'CODEC_BROTLI',
  zstd: 'CODEC_ZSTD',
};

type Encoded = (error: Error | null, result: Buffer) => void;

/** With the option `info`, a decoder's result is the output and the engine that made it. */
type Decoded = (error: Error | null, result: unknown) => void;

/** What Node has from 22.15 on; @types/node of the oldest supported version does not know it. */
export interface ZstdZlib {
  zstdCompress(bytes: Uint8Array, options: object, done: Encoded): void;
  zstdCompressSync(bytes: Uint8Array, options: object): Buffer;
  zstdDecompress(bytes: Uint8Array, options: object, done: Decoded): void;
  zstdDecompressSync(bytes: Uint8Array, options: object): unknown;
  constants: Record<'ZSTD_c_compressionLevel' | 'ZSTD_c_windowLog' | 'ZSTD_d_windowLogMax', number>;
}

const zstdZlib: ZstdZlib | undefined = 'zstdCompressSync' in zlib ? (zlib as unknown as ZstdZlib) : undefined;

/** The codecs of this runtime, for both directions. */
export const RUNTIME_CODECS: readonly CodecName[] =
  zstdZlib === undefined ? ['gzip', 'brotli'] : ['gzip', 'brotli', 'zstd'];

export function codecInContract(codec: CodecName): Codec {
  return NAME_IN_CONTRACT[codec];
}

/** Undefined for a codec that this version does not know. */
function codecFromContract(name: Codec | number): CodecName | undefined {
  return RUNTIME_CODECS.find((codec) => NAME_IN_CONTRACT[codec] === name);
}

/** Those of `names` that this runtime has, each once. */
export function codecsFromContract(names: readonly (Codec | number)[]): readonly CodecName[] {
  return [...new Set(names.map(codecFromContract).filter((codec) => codec !== undefined))];
}

/** What a compressed chunk that says `name` is compressed with: peers that know nothing but gzip do not say it. */
export function codecOfChunk(name: Codec | number): CodecName | undefined {
  return name === 'CODEC_UNSPECIFIED' ? 'gzip' : codecFromContract(name);
}

/** What a chunk's header says of its codec: nothing for gzip, which a plain client takes for granted. */
export function codecNumber(codec: Coding['codec']): number {
  return codec === 'gzip' || codec === 'identity' ? 0 : NUMBER_OF_CODEC[codec];
}

/** One complete member, stream or frame of `bytes`. For threads that may block. */
export function encodeSync(bytes: Uint8Array, coding: Coding): Buffer {
  const options = encoderOptions(bytes.length, coding);
  switch (coding.codec) {
    case 'gzip':
      return zlib.gzipSync(bytes, options);
    case 'brotli':
      return zlib.brotliCompressSync(bytes, options);
    case 'zstd':
      return zstdOfNode().zstdCompressSync(bytes, options);
    case 'identity':
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }
}

/** The same in a thread of libuv's pool; `bytes` must not change before it has settled. */
export function encode(bytes: Uint8Array, coding: Coding): Promise<Buffer> {
  const options = encoderOptions(bytes.length, coding);
  return new Promise((resolve, reject) => {
    const done: Encoded = (error, result) => (error === null ? resolve(result) : reject(error));
    if (coding.codec === 'gzip') zlib.gzip(bytes, options, done);
    else if (coding.codec === 'brotli') zlib.brotliCompress(bytes, options, done);
    else if (coding.codec === 'zstd') zstdOfNode().zstdCompress(bytes, options, done);
    else resolve(encodeSync(bytes, coding));
  });
}

function encoderOptions(bytes: number, { codec, level }: Coding): object {
  // One output block: nothing to join.
  const chunkSize = bytes + 1024;
  if (codec === 'gzip') {
    // The larger hash table saves 5 to 10 % (bench/micro/gzip).
    return { level, memLevel: zlib.constants.Z_MAX_MEMLEVEL, chunkSize };
  }
  if (codec === 'brotli') {
    const { BROTLI_PARAM_LGWIN, BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = zlib.constants;
    const params = {
      [BROTLI_PARAM_QUALITY]: level,
      [BROTLI_PARAM_LGWIN]: windowBits(bytes),
      [BROTLI_PARAM_SIZE_HINT]: bytes,
    };
    return { chunkSize, params };
  }
  if (codec === 'identity') return {};
  const { ZSTD_c_compressionLevel, ZSTD_c_windowLog } = zstdOfNode().constants;
  return { chunkSize, params: { [ZSTD_c_compressionLevel]: level, [ZSTD_c_windowLog]: windowBits(bytes) } };
}

/** Throws PROTOCOL_ERROR where there is none: what is negotiated are codecs that are there. */
export function zstdOfNode(): ZstdZlib {
  if (zstdZlib === undefined) throw new TransferError('PROTOCOL_ERROR', 'this runtime has no zstd');
  return zstdZlib;
}

/** The largest window of a chunk: 4 MiB. It is memory on both sides, and no decoder here takes a larger one. */
export const MAX_WINDOW_BITS = 22;

/** No larger than the chunk. Within what all codecs take. */
function windowBits(bytes: number): number {
  return Math.min(Math.max(Math.ceil(Math.log2(bytes)), 16), MAX_WINDOW_BITS);
}
