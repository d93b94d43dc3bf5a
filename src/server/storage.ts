/**
 * The store of a server: a given one, or the configured directory or bucket. The
 * only place above storage that knows which stores there are.
 */
import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Access } from '../access/access.ts';
import { QuotaUploads } from '../access/quota-uploads.ts';
import { RefCountedResource } from '../base/async/ref-counted-resource.ts';
import type { Counters } from '../base/counters/counters.ts';
import { TransferError } from '../base/errors.ts';
import { stateDirectory } from '../base/files/state-directory.ts';
import type { Logger } from '../base/logger.ts';
import { type BucketRoot, bucketRootOf } from '../config/bucket-root.ts';
import { availableMemoryBytes } from '../config/memory/available-memory.ts';
import { memoryProblems } from '../config/relations.ts';
import type { Config } from '../config/schema.ts';
import { HashPool } from '../engine/jobs/hash-pool.ts';
import { type LocalStore, openLocalStore } from '../storage/local/local-store.ts';
import { openRoot } from '../storage/local/root-directory.ts';
import { RootLock } from '../storage/local/uploads/root-lock.ts';
import type { ProcessLocks } from '../storage/process-locks.ts';
import { openS3 } from '../storage/s3/open-s3.ts';
import type { Store } from '../storage/store.ts';
import type { UploadStore } from '../storage/upload-store.ts';

/** A directory that nobody else takes uploads for. */
export interface RootHold {
  release(): Promise<void>;
}

/**
 * Takes the configured directory for all processes of a server; null where there is nothing to take: what is only
 * read, and a bucket.
 *
 * @throws TransferError INVALID_CONFIG when another server has it, or it cannot be served.
 */
export async function lockRoot({ root: path, writable }: Config, logger: Logger): Promise<RootHold | null> {
  if (!writable || bucketRootOf(path) !== undefined) return null;
  const root = await openRoot(path);
  const rootUse = new RefCountedResource('the root', () => root.directory.close());
  try {
    const lock = await RootLock.acquire({ root, rootUse, logger, number: null });
    return {
      release: async () => {
        await lock.release();
        await rootUse.close();
      },
    };
  } catch (reason) {
    await rootUse.close();
    throw reason;
  }
}

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

/**
 * The directory or bucket `config.root`. Throws TransferError INVALID_CONFIG when it cannot be served.
 *
 * @param locks of one of several processes that take uploads for it
 */
export async function openRootStorage(
  config: Config,
  logger: Logger,
  counters: Counters,
  locks?: ProcessLocks,
): Promise<Storage> {
  const root = bucketRootOf(config.root);
  return root === undefined
    ? await openLocalStorage(config, logger, counters, locks)
    : await openBucketStorage(config, root, logger, counters);
}

async function openBucketStorage(
  { s3, uploads: { expiry: expiryMs, maxSize: maxSizeBytes }, writable }: Config,
  root: BucketRoot,
  logger: Logger,
  counters: Counters,
): Promise<Storage> {
  const { store, uploads } = await openS3({
    ...s3,
    ...root,
    writable,
    uploads: { expiryMs, maxSizeBytes },
    logger,
    counters,
  });
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

async function openLocalStorage(
  config: Config,
  logger: Logger,
  counters: Counters,
  locks: ProcessLocks | undefined,
): Promise<Storage> {
  const hashes = new HashPool(config.pool.niceness, logger);
  const hash = (fd: number, size: number) => hashes.sha256(fd, size);
  let store: LocalStore | undefined;
  let uploads: UploadStore | null = null;
  try {
    store = await openLocalStore(config.root, { logger, versionBy: config.version.by, hash });
    if (config.writable)
      uploads = await store.openUploads({ ...uploadOptions(config), hash, logger, counters, locks });
    else await keepDigests(store, config.root, logger);
  } catch (error) {
    await hashes.stop();
    await store?.close();
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

/** A directory that is only read is nothing to write to: what is known of it goes to the user's own. */
async function keepDigests(store: LocalStore, root: string, logger: Logger): Promise<void> {
  const state = stateDirectory();
  if (state === undefined) {
    logger.info(
      {},
      'digests of files are remembered in memory only; set XDG_STATE_HOME to a writable directory',
    );
    return;
  }
  const file = createHash('sha256')
    .update(await realpath(root))
    .digest('hex');
  await store.keepDigestsAt(join(state, 'digests', file));
}

function uploadOptions({ uploads }: Config) {
  return {
    sync: uploads.sync,
    syncBytes: uploads.syncBytes,
    syncIntervalMs: uploads.syncInterval,
    expiryMs: uploads.expiry,
    maxSizeBytes: uploads.maxSize,
    maxTotalBytes: uploads.maxTotalSize,
    minFreeBytes: uploads.minFree,
    maxOpen: uploads.maxOpen,
  };
}
