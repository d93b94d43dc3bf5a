import type { CodecName } from '../../base/coding.ts';
import type { ByteSource } from '../../storage/byte-source.ts';
import type { CompressionMode } from './compression-policy.ts';

/** What is to be sent of a file, and how. */
export interface RangeRequest {
  /** Open until `run` has settled. */
  source: ByteSource;
  /** The range `[start, end)` of the file. */
  start: number;
  end: number;
  chunkBytes: number;
  details: boolean;
  checksums: boolean;
  compression: CompressionMode;
  /** What the peer decompresses. */
  codecs: readonly CodecName[];
}
