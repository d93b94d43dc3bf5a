/** Opens a bucket as a store, and finds out at once whether that can work. */
import { TransferError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Store } from '../store.ts';
import type { UploadStore } from '../upload-store.ts';
import { Attempts } from './attempts.ts';
import { Bucket } from './bucket.ts';
import { probeCapabilities } from './capabilities.ts';
import { Keys } from './keys.ts';
import { Hedging } from './reads/hedging.ts';
import { RangeReads } from './reads/range-reads.ts';
import { isTransient, saidOf } from './s3-error.ts';
import { S3Store } from './s3-store.ts';
import { S3Uploads } from './s3-uploads.ts';
import { loadSdk, makeClient, type S3Options } from './sdk.ts';

export interface OpenS3Options extends S3Options {
  readonly writable: boolean;
  readonly logger: Logger;
}

export interface S3Storage {
  /** Whose `close` ends both. */
  readonly store: Store;
  /** null: not `writable`. */
  readonly uploads: UploadStore | null;
}

/** Throws INVALID_CONFIG for what the operator can mend, UNAVAILABLE where the store does not answer. */
export async function openS3(options: OpenS3Options): Promise<S3Storage> {
  const { bucket: name, hedge, logger, prefix, requests, writable } = options;
  const sdk = await loadSdk();
  const client = await makeClient(sdk, options);
  const attempts = new Attempts(requests, logger);
  const bucket = new Bucket(sdk, client, name, attempts);
  const keys = new Keys(prefix);
  try {
    await checkAccess(bucket, keys, options);
    const hedging = hedge ? new Hedging() : null;
    const reads = new RangeReads(sdk, client, name, attempts, { hedging, checksums: true });
    const store = new S3Store(bucket, reads, keys);
    if (!writable) return { store, uploads: null };
    const capabilities = await probeCapabilities(bucket, keys);
    const { putIfMatch, deleteIfMatch } = capabilities;
    if (putIfMatch === null || !deleteIfMatch) {
      logger.warn(
        { putIfMatch: putIfMatch !== null, deleteIfMatch },
        'the object store has not all conditions; of two writers or deletes of one version at the same moment, both can succeed',
      );
    }
    return { store, uploads: new S3Uploads(bucket, keys, store, capabilities) };
  } catch (error) {
    bucket.close();
    throw error;
  }
}

async function checkAccess(bucket: Bucket, keys: Keys, { bucket: name, endpoint }: S3Options): Promise<void> {
  try {
    await bucket.hasAny(keys.prefix);
  } catch (cause) {
    const at = endpoint === '' ? '' : ` at ${endpoint}`;
    const message = `the bucket ${name}${at} cannot be served: ${saidOf(cause)}; see s3.endpoint, s3.region, s3.pathStyle and the credentials of the environment`;
    throw new TransferError(isTransient(cause) ? 'UNAVAILABLE' : 'INVALID_CONFIG', message, { cause });
  }
}
