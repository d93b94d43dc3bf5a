/** What all uploads to one bucket share. */
import type { KeyedMutex } from '../../../base/async/keyed-mutex.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Bucket } from '../bucket.ts';
import type { Conditions } from '../conditions.ts';
import type { Keys } from '../keys.ts';
import type { Multipart } from '../multipart.ts';
import type { PartMemory } from './part-memory.ts';

/** The requests of `Bucket` that uploads need. */
export type UploadBucket = Pick<Bucket, 'delete' | 'get' | 'head' | 'page' | 'put'>;

/** The requests of `Multipart`. */
export type UploadMultipart = Pick<Multipart, 'abort' | 'complete' | 'create' | 'parts' | 'putPart'>;

export interface S3UploadOptions {
  /** An upload that nobody has written to for this long is discarded; so is what is known of a finished one. */
  readonly expiryMs: number;
  /** The largest file; 0 for no limit. */
  readonly maxSizeBytes: number;
}

export interface S3UploadContext {
  /** Of the parts of a file that needs no larger ones. */
  readonly partBytes: number;
  readonly bucket: UploadBucket;
  readonly multipart: UploadMultipart;
  /** As of `Capabilities`. */
  readonly checksums: boolean;
  readonly keys: Keys;
  readonly conditions: Conditions;
  readonly options: S3UploadOptions;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Held while what a name stands for is changed. */
  readonly names: KeyedMutex;
  readonly memory: PartMemory;
}
