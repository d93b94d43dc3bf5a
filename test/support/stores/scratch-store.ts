/** A store on a temporary directory, with another one beside it that must never be reached. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { errnoOf, TransferError } from '../../../src/base/errors.ts';
import { isStampedPrecisely } from '../../../src/base/files/settled-stats.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { LocalStore, openLocalStore } from '../../../src/storage/local/local-store.ts';
import { openPathDirectory } from '../../../src/storage/local/path-directory.ts';
import { ServedRoot } from '../../../src/storage/local/served-root.ts';
import { nodeFileSystem } from '../../../src/storage/local/uploads/disk/file-system.ts';
import { hashHere } from '../../../src/storage/local/uploads/disk/read-pieces.ts';
import { Digests } from '../../../src/storage/local/versions/digests.ts';
import { KeptDigests } from '../../../src/storage/local/versions/kept-digests.ts';
import { Versions } from '../../../src/storage/local/versions/versions.ts';
import type { Listed, Omission, OpenFile, Store, StoreEntry } from '../../../src/storage/store.ts';

export interface ScratchStore {
  store: Store;
  /** The path of `name` in the store. */
  at(name: string): string;
  /** The path of `name` in the directory beside the root. */
  outside(name: string): string;
}

export async function scratchStore(
  t: TestContext,
  files: Record<string, string> = {},
): Promise<ScratchStore> {
  const top = await scratchDirectory(t);
  const root = join(top, 'root');
  await mkdir(root);
  // Its path starts with the path of the root: a bare prefix check would let it in.
  await mkdir(join(top, 'root-evil'));
  for (const [name, content] of Object.entries(files)) await writeDeep(join(root, name), content);
  const store = await openLocalStore(root);
  t.after(() => store.close());
  return { store, at: (name) => join(root, name), outside: (name) => join(top, 'root-evil', name) };
}

export async function scratchDirectory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sluice-store-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

export async function writeDeep(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

/** The store of `root` as on systems without /proc; the caller closes it. */
export async function storeByPath(root: string): Promise<LocalStore> {
  const directory = await openPathDirectory(root);
  const { dev, ino } = await lstat(root, { bigint: true });
  const options = { logger: silentLogger, lookEveryMs: 0 };
  const held = { directory, device: dev, inode: ino, isStampedPrecisely: await isStampedPrecisely(root) };
  return new LocalStore(
    new ServedRoot(root, held, options),
    new Versions('identity', new Digests(hashHere(nodeFileSystem), new KeptDigests(silentLogger))),
  );
}

/** Reads an open file through its descriptor, as a worker does. */
export function contentOf(file: OpenFile): Promise<string> {
  return readFile(`/dev/fd/${descriptorOf(file)}`, 'utf8');
}

export function descriptorOf({ source }: OpenFile): number {
  assert.equal(source.kind, 'descriptor');
  return source.fd;
}

/** The entries of a listing; what it leaves out goes to `omitted`. */
export async function* entriesIn(
  listing: AsyncIterable<Listed>,
  omitted: Omission[] = [],
): AsyncGenerator<StoreEntry, void, undefined> {
  for await (const listed of listing) {
    if (listed.omitted !== undefined) omitted.push(listed.omitted);
    if (listed.entry !== undefined) yield listed.entry;
  }
}

export async function namesOf(listing: AsyncIterable<Listed>, omitted: Omission[] = []): Promise<string[]> {
  const names = [];
  for await (const entry of entriesIn(listing, omitted))
    names.push(entry.isDirectory ? `${entry.name}/` : entry.name);
  return names;
}

/** The TransferError that `work` fails with. */
export async function failureOf(work: Promise<unknown>): Promise<TransferError> {
  try {
    await work;
  } catch (reason) {
    if (reason instanceof TransferError) return reason;
    throw new Error(`failed with ${errnoOf(reason) ?? String(reason)} instead of a TransferError`, {
      cause: reason,
    });
  }
  throw new Error('did not fail');
}

export function openDescriptorCount(): number {
  return readdirSync('/dev/fd').length;
}

/** Runs `work` with the permissions of a user who is not root. */
export async function asOrdinaryUser<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await work();
  process.seteuid?.(65534);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}
