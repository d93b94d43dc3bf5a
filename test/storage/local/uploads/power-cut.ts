/**
 * A disk that forgets at a power cut what was not synced. It is the real file
 * system for as long as there is power; beside it stands what would be on the
 * platter: for each inode the synced bytes, for each directory the synced entries,
 * and in order what came since. The cut keeps any part of the latter, as `keeps`
 * says, and `restore` builds the tree that the next start would find.
 *
 * A rename is one change of two directories, kept or lost whole, as journalling
 * file systems have it. Writes are lost in sectors; a lost sector of a file that
 * grew reads as zeros.
 */
import assert from 'node:assert/strict';
import {
  type BigIntStats,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type FileSystem, nodeFileSystem } from '../../../../src/storage/local/uploads/disk/file-system.ts';
import { nodeSystemCalls, type SystemCalls } from '../../../../workers/pack-files.ts';

const SECTOR_BYTES = 512;

interface Write {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

interface Truncation {
  readonly size: number;
}

interface Inode {
  readonly ino: bigint;
  readonly isDirectory: boolean;
  durable: Buffer;
  /** At the last sync. */
  mtimeNs: bigint;
  pending: (Write | Truncation)[];
}

/** Entries that one call adds to directories, or takes away from them. */
type Change = readonly {
  readonly directory: Inode;
  readonly entry: string;
  readonly inode: Inode | undefined;
}[];

export interface Negligence {
  /** Leaves out the syncs of directories. */
  readonly skipsDirectories?: boolean;
  /** Leaves out the syncs of parts. */
  readonly skipsParts?: boolean;
  /** Leaves out the syncs of journals. */
  readonly skipsJournals?: boolean;
}

export class PowerCutDisk {
  readonly fileSystem: FileSystem;
  /** The same for threads. */
  readonly systemCalls: SystemCalls;
  readonly #root: Inode;
  /** By number; a number is used again when its file is gone. */
  readonly #inodes = new Map<bigint, Inode>();
  /** The synced entries of each directory. */
  readonly #entries = new Map<Inode, Map<string, Inode>>();
  #changes: Change[] = [];

  constructor(root: string, negligence: Negligence = {}) {
    this.#root = this.#adopt(statSync(root, { bigint: true }));
    this.systemCalls = this.#wrappedCalls();
    this.fileSystem = this.#wrapped(negligence);
  }

  /**
   * Builds in the empty directory `path` what is there after a cut, where `keeps` answers for each unsynced
   * thing. The copies have new inodes; through the file system it returns they look as the old ones did.
   */
  restore(path: string, keeps: () => boolean): FileSystem {
    const kept = this.#changes.filter(() => keeps());
    const entries = new Map([...this.#entries].map(([directory, map]) => [directory, new Map(map)]));
    for (const change of kept) apply(entries, change);
    const originals = new Map<bigint, Inode>();
    this.#build(path, this.#root, entries, originals, keeps);
    const asBefore = (stats: BigIntStats): BigIntStats => {
      const original = originals.get(stats.ino);
      if (original !== undefined) Object.assign(stats, { ino: original.ino, mtimeNs: original.mtimeNs });
      return stats;
    };
    return {
      ...nodeFileSystem,
      fstat: async (fd) => asBefore(await nodeFileSystem.fstat(fd)),
      lstat: async (entry) => asBefore(await nodeFileSystem.lstat(entry)),
    };
  }

  #build(
    path: string,
    directory: Inode,
    entries: ReadonlyMap<Inode, ReadonlyMap<string, Inode>>,
    originals: Map<bigint, Inode>,
    keeps: () => boolean,
  ): void {
    for (const [entry, inode] of entries.get(directory) ?? []) {
      const target = join(path, entry);
      if (inode.isDirectory) {
        mkdirSync(target, { mode: 0o700 });
        this.#build(target, inode, entries, originals, keeps);
      } else {
        writeFileSync(target, contentAfterCut(inode, keeps));
        originals.set(statSync(target, { bigint: true }).ino, inode);
      }
    }
  }

  #adopt(stats: BigIntStats): Inode {
    const { ino, mtimeNs } = stats;
    const inode: Inode = {
      ino,
      isDirectory: stats.isDirectory(),
      durable: Buffer.alloc(0),
      mtimeNs,
      pending: [],
    };
    this.#inodes.set(ino, inode);
    if (inode.isDirectory) this.#entries.set(inode, new Map());
    return inode;
  }

  #inodeOf(stats: BigIntStats): Inode {
    const inode = this.#inodes.get(stats.ino);
    assert.ok(inode !== undefined, 'the disk knows all that was made through it');
    return inode;
  }

  #inodeAt(path: string): Inode {
    return this.#inodeOf(lstatSync(path, { bigint: true }));
  }

  #sync(fd: number, negligence: Negligence): void {
    const stats = fstatSync(fd, { bigint: true });
    const inode = this.#inodeOf(stats);
    const path = readlinkSync(`/proc/self/fd/${fd}`);
    if (inode.isDirectory) {
      if (negligence.skipsDirectories !== true) this.#syncDirectory(inode);
    } else if ((/\.(?:part|pack)$/.test(path) ? negligence.skipsParts : negligence.skipsJournals) !== true) {
      inode.durable = readFileSync(`/proc/self/fd/${fd}`);
      inode.mtimeNs = stats.mtimeNs;
      inode.pending = [];
    }
  }

  /** Everything at once; what may be left out of single syncs is left out of this one. */
  #syncAll(negligence: Negligence): void {
    for (const inode of this.#inodes.values()) {
      if (!inode.isDirectory && negligence.skipsParts !== true) {
        inode.durable = contentAfterCut(inode, () => true);
        inode.pending = [];
      } else if (inode.isDirectory && negligence.skipsDirectories !== true) {
        this.#syncDirectory(inode);
      }
    }
  }

  /** Makes all changes of this directory durable, each whole and behind what it builds on. */
  #syncDirectory(directory: Inode): void {
    const touching = this.#changes.filter((change) => change.some((set) => set.directory === directory));
    const isBefore = (one: Change, other: Change) =>
      one.some((a) => other.some((b) => a.directory === b.directory && a.entry === b.entry));
    const synced = this.#changes.filter((one) => touching.some((other) => isBefore(one, other)));
    for (const change of synced) apply(this.#entries, change);
    this.#changes = this.#changes.filter((change) => !synced.includes(change));
  }

  #change(...sets: readonly [path: string, inode: Inode | undefined][]): void {
    this.#changes.push(
      sets.map(([path, inode]) => ({
        directory: this.#inodeOf(statSync(dirname(path), { bigint: true })),
        entry: basename(path),
        inode,
      })),
    );
  }

  /** Calls and their records are one step: what comes between the two would be out of order. */
  #wrapped(negligence: Negligence): FileSystem {
    const fs = nodeFileSystem;
    return {
      ...fs,
      open: async (path, flags, mode) => this.systemCalls.open(path, flags, mode ?? 0o666),
      write: async (fd, bytes, offset) => this.systemCalls.write(fd, bytes, offset),
      syncFileSystem: async () => this.#syncAll(negligence),
      ftruncate: async (fd, size) => {
        ftruncateSync(fd, size);
        this.#inodeOf(fstatSync(fd, { bigint: true })).pending.push({ size });
      },
      fdatasync: async (fd) => this.#sync(fd, negligence),
      fsync: async (fd) => this.#sync(fd, negligence),
      mkdir: async (path, mode) => {
        mkdirSync(path, mode);
        this.#change([path, this.#adopt(lstatSync(path, { bigint: true }))]);
      },
      rename: async (from, to) => this.systemCalls.rename(from, to),
      link: async (from, to) => this.systemCalls.link(from, to),
      unlink: async (path) => this.systemCalls.unlink(path),
    };
  }

  #wrappedCalls(): SystemCalls {
    return {
      ...nodeSystemCalls,
      open: (path, flags, mode) => {
        const isNew = (flags & constants.O_CREAT) !== 0 && !existsSync(path);
        const fd = openSync(path, flags, mode);
        if (isNew) this.#change([path, this.#adopt(fstatSync(fd, { bigint: true }))]);
        else if ((flags & constants.O_TRUNC) !== 0) this.#inodeAt(path).pending.push({ size: 0 });
        return fd;
      },
      write: (fd, bytes, offset) => {
        const written = writeSync(fd, bytes, 0, bytes.length, offset);
        const inode = this.#inodeOf(fstatSync(fd, { bigint: true }));
        inode.pending.push({ offset, bytes: Uint8Array.from(bytes.subarray(0, written)) });
        return written;
      },
      rename: (from, to) => {
        const inode = this.#inodeAt(from);
        renameSync(from, to);
        this.#change([from, undefined], [to, inode]);
      },
      link: (from, to) => {
        linkSync(from, to);
        this.#change([to, this.#inodeAt(to)]);
      },
      unlink: (path) => {
        unlinkSync(path);
        this.#change([path, undefined]);
      },
    };
  }
}

function contentAfterCut({ durable, pending }: Inode, keeps: () => boolean): Buffer {
  let content: Buffer = Buffer.from(durable);
  for (const change of pending) {
    if ('size' in change) content = keeps() ? resized(content, change.size) : content;
    else content = written(content, change, keeps);
  }
  return content;
}

function written(before: Buffer, { offset, bytes }: Write, keeps: () => boolean): Buffer {
  let content = before;
  for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
    const sector = bytes.subarray(at, at + SECTOR_BYTES);
    const isKept = keeps();
    // The size may be on the disk without the bytes.
    if (!isKept && !keeps()) continue;
    content = resized(content, Math.max(content.length, offset + at + sector.length));
    if (isKept) content.set(sector, offset + at);
  }
  return content;
}

function apply(entries: ReadonlyMap<Inode, Map<string, Inode>>, change: Change): void {
  for (const { directory, entry, inode } of change) {
    if (inode === undefined) entries.get(directory)?.delete(entry);
    else entries.get(directory)?.set(entry, inode);
  }
}

function resized(content: Buffer, size: number): Buffer {
  const result = Buffer.alloc(size);
  content.copy(result);
  return result;
}
