/** Opens a bucket as a store, and finds out at once whether that can work. */
import type { S3Client } from '@aws-sdk/client-s3';
import { KeyedMutex } from '../../base/async/keyed-mutex.ts';
import type { Counters } from '../../base/counters/counters.ts';
import { TransferError } from '../../base/errors.ts';
import { OBJECT_PARTS_BYTES } from '../../base/limits.ts';
import { type Logger, silentLogger } from '../../base/logger.ts';
import { parseStoreCapabilities, storeCapabilitiesText } from '../../base/store-capabilities.ts';
import type { Store } from '../store.ts';
import type { UploadStore } from '../upload-store.ts';
import { Attempts } from './attempts.ts';
import { Bucket } from './bucket.ts';
import { type Capabilities, capabilitiesOf, namesOfCapabilities, probeCapabilities } from './capabilities.ts';
import { Conditions } from './conditions.ts';
import { Keys } from './keys.ts';
import { Multipart } from './multipart.ts';
import { Hedging } from './reads/hedging.ts';
import { RangeReads } from './reads/range-reads.ts';
import { isTransient, saidOf } from './s3-error.ts';
import { S3Store } from './s3-store.ts';
import { S3Uploads } from './s3-uploads.ts';
import { loadSdk, makeClient, type S3Options, type S3Sdk } from './sdk.ts';
import type { S3UploadOptions } from './uploads/context.ts';
import { PartMemory } from './uploads/part-memory.ts';
import { PART_BYTES } from './uploads/session.ts';

export interface OpenS3Options extends S3Options {
  readonly writable: boolean;
  readonly uploads: S3UploadOptions;
  readonly logger: Logger;
  readonly counters: Counters;
}

export interface S3Storage {
  /** Whose `close` ends both. */
  readonly store: Store;
  /** null: not `writable`. */
  readonly uploads: UploadStore | null;
}

/** Throws INVALID_CONFIG for what the operator can mend, UNAVAILABLE where the store does not answer. */
export async function openS3(options: OpenS3Options): Promise<S3Storage> {
  const { bucket: name, counters, hedge, logger, prefix, requests, writable } = options;
  const sdk = await loadSdk();
  const client = await makeClient(sdk, options);
  const attempts = new Attempts(requests, logger);
  const bucket = new Bucket(sdk, client, name, attempts);
  const keys = new Keys(prefix);
  try {
    await checkAccess(bucket, keys, options);
    const hedging = hedge ? new Hedging(counters) : null;
    const said = parseStoreCapabilities(options.capabilities);
    const compares = said?.has('checksums') ?? true;
    const reads = new RangeReads(sdk, client, name, attempts, { hedging, checksums: compares });
    const store = new S3Store(bucket, reads, keys);
    if (!writable) return { store, uploads: null };
    const capabilities = said === undefined ? await probe(sdk, client, options, keys) : capabilitiesOf(said);
    tell(capabilities, logger);
    const { checksums } = capabilities;
    const uploads = new S3Uploads(bucket, {
      bucket,
      multipart: new Multipart(sdk, client, name, attempts, checksums),
      checksums,
      keys,
      logger,
      conditions: new Conditions(store, capabilities),
      options: options.uploads,
      now: Date.now,
      names: new KeyedMutex(),
      partBytes: PART_BYTES,
      memory: new PartMemory(OBJECT_PARTS_BYTES),
    });
    return { store, uploads };
  } catch (error) {
    bucket.close();
    throw error;
  }
}

/** What is refused is nothing to warn of. */
async function probe(sdk: S3Sdk, client: S3Client, options: S3Options, keys: Keys): Promise<Capabilities> {
  const { bucket: name, requests } = options;
  const attempts = new Attempts(requests, silentLogger);
  const multipart = (hasChecksums: boolean) => new Multipart(sdk, client, name, attempts, hasChecksums);
  return await probeCapabilities(new Bucket(sdk, client, name, attempts), multipart, keys);
}

function tell(can: Capabilities, logger: Logger): void {
  const capabilities = storeCapabilitiesText(namesOfCapabilities(can));
  logger.info({ capabilities }, 'what the object store does, as s3.capabilities can say it too');
  if (can.putIfMatch !== null && can.deleteIfMatch && can.completeConditions) return;
  logger.warn(
    { capabilities },
    'the object store has not all conditions; of two writers or deletes of one version, or of two uploads of one new name that end at the same moment, both can succeed',
  );
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
