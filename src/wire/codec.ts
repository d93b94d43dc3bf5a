/**
 * Codecs of single chunks: what this runtime has, their numbers in the
 * contract, and the encoders of worker threads. Decoders are in
 * `chunk-decoder.ts`.
 */
import { Buffer } from 'node:buffer';
import * as zlib from 'node:zlib';
import type { CodecName, Coding } from '../base/coding.ts';
import type { Codec } from './messages.ts';

/** The enum Codec of the contract. */
const NUMBER_OF_CODEC: Readonly<Record<CodecName, number>> = { gzip: 1, brotli: 2, zstd: 3 };

const NAME_IN_CONTRACT: Readonly<Record<CodecName, Codec>> = {
  gzip: 'CODEC_GZIP',
  brotli: 'CODEC_BROTLI',
  zstd: 'CODEC_ZSTD',
};

/** What Node has from 22.15 on; @types/node of the oldest supported version does not know it. */
export interface ZstdZlib {
  zstdCompressSync(bytes: Uint8Array, options: object): Buffer;
  zstdDecompress(
    bytes: Uint8Array,
    options: object,
    done: (error: Error | null, result: unknown) => void,
  ): void;
  constants: Record<'ZSTD_c_compressionLevel' | 'ZSTD_c_windowLog', number>;
}

export const zstdZlib: ZstdZlib | undefined =
  'zstdCompressSync' in zlib ? (zlib as unknown as ZstdZlib) : undefined;

/** The codecs of this runtime, for both directions. */
export const RUNTIME_CODECS: readonly CodecName[] =
  zstdZlib === undefined ? ['gzip', 'brotli'] : ['gzip', 'brotli', 'zstd'];

export function codecInContract(codec: CodecName): Codec {
  return NAME_IN_CONTRACT[codec];
}

/** The codec by its name in the contract; undefined for one this version does not know. */
export function codecFromContract(name: Codec | number): CodecName | undefined {
  return RUNTIME_CODECS.find((codec) => NAME_IN_CONTRACT[codec] === name);
}

/** What a chunk's header says of its codec: nothing for gzip, which a plain client takes for granted. */
export function codecNumber(codec: Coding['codec']): number {
  return codec === 'gzip' || codec === 'identity' ? 0 : NUMBER_OF_CODEC[codec];
}

/** One complete member, stream or frame of `bytes`. For threads that may block. */
export function encodeSync(bytes: Uint8Array, { codec, level }: Coding): Buffer {
  // One output block, so that nothing is joined.
  const chunkSize = bytes.length + 1024;
  switch (codec) {
    case 'gzip':
      // The larger hash table saves 5 to 10 % (bench/micro/gzip).
      return zlib.gzipSync(bytes, { level, memLevel: zlib.constants.Z_MAX_MEMLEVEL, chunkSize });
    case 'brotli': {
      const { BROTLI_PARAM_LGWIN, BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = zlib.constants;
      const params = {
        [BROTLI_PARAM_QUALITY]: level,
        [BROTLI_PARAM_LGWIN]: windowBits(bytes.length),
        [BROTLI_PARAM_SIZE_HINT]: bytes.length,
      };
      return zlib.brotliCompressSync(bytes, { chunkSize, params });
    }
    case 'zstd': {
      if (zstdZlib === undefined) throw new Error('this runtime has no zstd');
      const { ZSTD_c_compressionLevel, ZSTD_c_windowLog } = zstdZlib.constants;
      const params = { [ZSTD_c_compressionLevel]: level, [ZSTD_c_windowLog]: windowBits(bytes.length) };
      return zstdZlib.zstdCompressSync(bytes, { chunkSize, params });
    }
    case 'identity':
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }
}

/** No larger than the chunk: a window is memory on both sides. Within what all codecs take. */
function windowBits(bytes: number): number {
  return Math.min(Math.max(Math.ceil(Math.log2(bytes)), 16), 22);
}
