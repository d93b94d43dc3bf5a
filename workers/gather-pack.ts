/**
 * Gathers a piece of a pack: opens its files one by one, and puts what they hold
 * to where their declared sizes say.
 *
 * Five calls of the system for a file, and the same promise as a transfer of its
 * own: it is looked at before it is opened, since opening a device can do
 * something; what was opened is looked at behind the read, and both must be the
 * declared version. A look that a write of the same clock tick could hide behind
 * is none. Nothing read from anything else leaves.
 */
import { type BigIntStats, closeSync, fstatSync, lstatSync, openSync } from 'node:fs';
import { hasVersion } from '../src/base/files/file-version.ts';
import { OPEN_FILE_FLAGS } from '../src/base/files/open-flags.ts';
import { msUntilSettled } from '../src/base/files/settled-stats.ts';
import type { PackSlice } from '../src/engine/jobs/job.ts';
import { PackDirectory } from './pack-directory.ts';
import { readWhole } from './read-whole.ts';

/** The byte in front of a file's content. */
const WHOLE = 0;
const REFUSED = 1;

export interface Gathered {
  /** Files of the pack, by index, whose leading byte is in this piece and says that they are not as asked. */
  refused: number[];
  /** The file of the pack that is not as asked and has its leading byte before this piece. */
  lost: number | undefined;
}

/** Fills `chunks`, one behind the other. Between two files it looks whether anybody still wants the result. */
export function gatherPack(
  slice: PackSlice,
  chunks: readonly Uint8Array[],
  isCancelled: () => boolean,
): Gathered {
  const gathered: Gathered = { refused: [], lost: undefined };
  const room = new Room(chunks);
  const directory = new PackDirectory(slice.root);
  try {
    for (let i = 0; i < slice.names.length && !isCancelled(); i++) {
      gatherFile(slice, i, directory, room, gathered);
    }
  } finally {
    directory.close();
  }
  return gathered;
}

function gatherFile(
  slice: PackSlice,
  index: number,
  directory: PackDirectory,
  room: Room,
  gathered: Gathered,
): void {
  const skipBytes = index === 0 ? slice.skipBytes : 0;
  const lead = skipBytes === 0 ? room.take(1)[0] : undefined;
  const position = Math.max(0, skipBytes - 1);
  const content = room.take((slice.sizes[index] as number) - position);
  const isWhole = readAsAsked(slice, index, directory, content, position);
  if (lead !== undefined) lead[0] = isWhole ? WHOLE : REFUSED;
  if (isWhole) return;
  for (const part of content) part.fill(0);
  if (lead !== undefined) gathered.refused.push(slice.firstFile + index);
  else gathered.lost = slice.firstFile + index;
}

/** Memory in stretches, given out from front to back. */
class Room {
  readonly #chunks: readonly Uint8Array[];
  #index = 0;
  #used = 0;

  constructor(chunks: readonly Uint8Array[]) {
    this.#chunks = chunks;
  }

  /** The next `bytes` bytes, or what is left. */
  take(bytes: number): Uint8Array[] {
    const parts: Uint8Array[] = [];
    let rest = bytes;
    while (rest > 0 && this.#index < this.#chunks.length) {
      const chunk = this.#chunks[this.#index] as Uint8Array;
      const part = chunk.subarray(this.#used, this.#used + rest);
      parts.push(part);
      rest -= part.length;
      this.#used += part.length;
      if (this.#used < chunk.length) break;
      this.#index += 1;
      this.#used = 0;
    }
    return parts;
  }
}

/** Fills `content` from `position` on; false when the file is not as asked, whatever is in `content` then. */
function readAsAsked(
  slice: PackSlice,
  index: number,
  directory: PackDirectory,
  content: readonly Uint8Array[],
  position: number,
): boolean {
  const name = slice.names[index] as string;
  const path = name === '' ? undefined : directory.pathOf(name);
  if (path === undefined) return false;
  try {
    const before = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (before === undefined || !isAsAsked(before, slice, index)) return false;
    // Nothing of an empty file has to be read.
    return content.length === 0 || readUnchanged(path, before, content, position);
  } catch {
    // It vanished, may not be read, its disk is bad: the one who asks for it by itself is told.
    return false;
  }
}

function isAsAsked(stats: BigIntStats, { root, sizes, versions }: PackSlice, index: number): boolean {
  return (
    stats.isFile() &&
    stats.dev === root.device &&
    Number(stats.size) === sizes[index] &&
    hasVersion(stats, versions[index] as string) &&
    (root.isStampedPrecisely || msUntilSettled(stats) === 0)
  );
}

/** Fills `content`; false when it was not the file of `before` all the time. */
function readUnchanged(
  path: string,
  before: BigIntStats,
  content: readonly Uint8Array[],
  position: number,
): boolean {
  const fd = openSync(path, OPEN_FILE_FLAGS);
  try {
    return readWhole(fd, content, position) && isSame(before, fstatSync(fd, { bigint: true }));
  } finally {
    closeSync(fd);
  }
}

function isSame(before: BigIntStats, after: BigIntStats): boolean {
  return (
    after.dev === before.dev &&
    after.ino === before.ino &&
    after.size === before.size &&
    after.mtimeNs === before.mtimeNs &&
    after.ctimeNs === before.ctimeNs
  );
}
