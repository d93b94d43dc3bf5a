/**
 * The store of a server: a given one, or the configured directory or bucket. The
 * only place above storage that knows which stores there are.
 */
import type { Access } from '../access/access.ts';
import { QuotaUploads } from '../access/quota-uploads.ts';
import type { Counters } from '../base/counters/counters.ts';
import { TransferError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { type BucketRoot, bucketRootOf } from '../config/bucket-root.ts';
import { availableMemoryBytes } from '../config/memory/available-memory.ts';
import { memoryProblems } from '../config/relations.ts';
import type { Config } from '../config/schema.ts';
import { HashPool } from '../engine/jobs/hash-pool.ts';
import { openLocalStore } from '../storage/local/local-store.ts';
import { openS3 } from '../storage/s3/open-s3.ts';
import type { Store } from '../storage/store.ts';
import type { UploadStore } from '../storage/upload-store.ts';

export interface Storage {
  readonly store: Store;
  /** null where no uploads are taken. */
  readonly uploads: UploadStore | null;
  /** Has calls that may take long end with UNAVAILABLE. */
  interrupt(): Promise<void>;
  /** Behind the last call. */
  close(): Promise<void>;
}

/**
 * The storage that a caller made, and closes.
 *
 * @throws TransferError INVALID_CONFIG when uploads are to be taken and nothing is given to put them, or when the
 *   machine lacks the memory that such a store takes.
 */
export function givenStorage(config: Config, store: Store, uploads: UploadStore | undefined): Storage {
  const { writable } = config;
  if (writable && uploads === undefined) {
    throw new TransferError(
      'INVALID_CONFIG',
      'the server is writable, but there is no store of uploads beside the store it was given; give one',
    );
  }
  const [problem] = memoryProblems(config, availableMemoryBytes(), true);
  if (problem !== undefined) throw new TransferError('INVALID_CONFIG', problem);
  return {
    store,
    uploads: writable ? (uploads ?? null) : null,
    interrupt: async () => {},
    close: async () => {},
  };
}

/** `storage` with the quotas of an access file. */
export function withQuotas(storage: Storage, access: Access | null, logger: Logger): Storage {
  if (access === null || storage.uploads === null) return storage;
  const uploads = new QuotaUploads(storage.uploads, storage.store, access, logger);
  return {
    store: storage.store,
    uploads,
    interrupt: () => storage.interrupt(),
    close: async () => {
      await uploads.close();
      await storage.close();
    },
  };
}

/** The directory or bucket `config.root`. Throws TransferError INVALID_CONFIG when it cannot be served. */
export async function openRootStorage(config: Config, logger: Logger, counters: Counters): Promise<Storage> {
  const root = bucketRootOf(config.root);
  return root === undefined
    ? await openLocalStorage(config, logger, counters)
    : await openBucketStorage(config, root, logger);
}

async function openBucketStorage(
  { s3, writable }: Config,
  root: BucketRoot,
  logger: Logger,
): Promise<Storage> {
  const { store, uploads } = await openS3({ ...s3, ...root, writable, logger });
  return {
    store,
    uploads,
    interrupt: async () => {},
    close: async () => {
      await uploads?.close();
      await store.close();
    },
  };
}

async function openLocalStorage(config: Config, logger: Logger, counters: Counters): Promise<Storage> {
  const store = await openLocalStore(config.root, { logger });
  const hashes = new HashPool(config.pool.niceness, logger);
  let uploads: UploadStore | null = null;
  try {
    if (config.writable) uploads = await store.openUploads(uploadOptions(config, hashes, logger, counters));
  } catch (error) {
    await hashes.stop();
    await store.close();
    throw error;
  }
  return {
    store,
    uploads,
    interrupt: () => hashes.stop(),
    close: async () => {
      await uploads?.close();
      await store.close();
    },
  };
}

function uploadOptions({ uploads }: Config, hashes: HashPool, logger: Logger, counters: Counters) {
  return {
    sync: uploads.sync,
    syncBytes: uploads.syncBytes,
    syncIntervalMs: uploads.syncInterval,
    expiryMs: uploads.expiry,
    maxSizeBytes: uploads.maxSize,
    maxTotalBytes: uploads.maxTotalSize,
    minFreeBytes: uploads.minFree,
    maxOpen: uploads.maxOpen,
    logger,
    counters,
    hash: (fd: number, size: number) => hashes.sha256(fd, size),
  };
}
