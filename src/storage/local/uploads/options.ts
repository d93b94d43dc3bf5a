/** The options of a store of uploads, and the context that its parts share. */
import type { RefCountedResource } from '../../../base/async/ref-counted-resource.ts';
import type { Counters } from '../../../base/counters/counters.ts';
import type { Logger } from '../../../base/logger.ts';
import type { ProcessLocks } from '../../process-locks.ts';
import type { Root } from '../directory.ts';
import type { HashFile } from '../versions/digests.ts';
import type { Versions } from '../versions/versions.ts';
import type { FileSystem } from './disk/file-system.ts';
import type { FreeSpace } from './disk/free-space.ts';
import type { GroupSync } from './disk/group-sync.ts';
import type { JournalPlace } from './journal/journal.ts';
import type { UploadIndex } from './upload-index.ts';

/** When written bytes are made durable: behind each write, in batches, or never. */
export type SyncPolicy = 'always' | 'batched' | 'none';

export interface UploadOptions {
  readonly sync: SyncPolicy;
  /** Bytes of one upload that are made durable together, with the policy `batched`. */
  readonly syncBytes: number;
  /** The longest that written bytes wait for it. */
  readonly syncIntervalMs: number;
  /** An upload that got no byte for this long is discarded, sooner where it never got one; so is what is known of a finished one. */
  readonly expiryMs: number;
  /** The largest file; 0 for no limit. */
  readonly maxSizeBytes: number;
  /** What unfinished uploads may have received together; 0 for no limit. */
  readonly maxTotalBytes: number;
  /** What is left free on the disk; 0 does not look. */
  readonly minFreeBytes: number;
  /** Unfinished uploads at the same time. */
  readonly maxOpen: number;
  /** Default: drops everything. */
  readonly logger?: Logger;
  /** Default: some that nobody reads. */
  readonly counters?: Counters;
  /** Default: on this thread, a piece at a time. */
  readonly hash?: HashFile;
  /** Milliseconds since the epoch. Default: the clock of the system. */
  readonly now?: () => number;
  /** Default: that of the system. */
  readonly fileSystem?: FileSystem;
  /** What it agrees on with other processes of its server. Default: it is alone. */
  readonly locks?: ProcessLocks | undefined;
  /** How often the server shows that it lives, in milliseconds. Default: LOCK_BEAT_MS. */
  readonly lockBeatMs?: number;
}

export interface UploadContext extends JournalPlace {
  readonly fs: FileSystem;
  readonly root: Root;
  /** Of the store that owns the root: it stays open while a name is walked. */
  readonly rootUse: RefCountedResource;
  readonly versions: Versions;
  readonly options: UploadOptions;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly hash: HashFile;
  readonly now: () => number;
  readonly locks: ProcessLocks;
  readonly index: UploadIndex;
  readonly freeSpace: FreeSpace;
  /** What makes packs durable. */
  readonly groupSync: GroupSync;
}
