/** Uploads into a temporary directory, and what a service does with them. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { writeFully } from '../../../../src/base/files/write-fully.ts';
import { openLocalStore } from '../../../../src/storage/local/local-store.ts';
import { nodeFileSystem } from '../../../../src/storage/local/uploads/disk/file-system.ts';
import type { UploadOptions } from '../../../../src/storage/local/uploads/options.ts';
import type { Upload, UploadSpec, UploadStore, UploadWriter } from '../../../../src/storage/upload-store.ts';
import { crc32 } from '../../../../src/wire/crc32.ts';
import { scratchRoot } from '../../../support/scratch.ts';

/** Nothing is synced before it is asked for, and no limit is met. */
export const LAX_OPTIONS: UploadOptions = {
  sync: 'batched',
  syncBytes: 64 * 1024 * 1024,
  syncIntervalMs: 3_600_000,
  expiryMs: 86_400_000,
  maxSizeBytes: 0,
  maxTotalBytes: 0,
  minFreeBytes: 0,
  maxOpen: 1000,
};

export interface ScratchUploads {
  readonly root: string;
  readonly uploads: UploadStore;
  /** The path of `name` in the store. */
  at(name: string): string;
  /** Opens the same directory again, as a later process does, without closing this one. */
  reopen(options?: Partial<UploadOptions>): Promise<UploadStore>;
}

export async function scratchUploads(
  t: TestContext,
  options: Partial<UploadOptions> = {},
): Promise<ScratchUploads> {
  const root = scratchRoot(t);
  const reopen = (more: Partial<UploadOptions> = {}) => openUploads(t, root, { ...options, ...more });
  return { root, uploads: await reopen(), at: (name) => join(root, name), reopen };
}

/**
 * The uploads of `root`; closed with its store at the end of the test. An earlier process that left it is
 * played by this one, so its lock would be respected; to a later process it would mean nothing.
 */
export async function openUploads(
  t: TestContext,
  root: string,
  options: Partial<UploadOptions> = {},
): Promise<UploadStore> {
  rmSync(join(root, '.sluice-lock'), { force: true });
  const store = await openLocalStore(root);
  t.after(() => store.close());
  const uploads = await store.openUploads({ ...LAX_OPTIONS, ...options });
  t.after(() => uploads.close());
  return uploads;
}

/** An upload of `name` that replaces nothing, or what `spec` says. */
export function specOf(name: string, spec: Partial<UploadSpec> = {}): UploadSpec {
  return { name, expected: {}, condition: { kind: 'absent' }, ...spec };
}

/** Starts an upload and sends `content`. */
export async function uploadOf(
  uploads: UploadStore,
  name: string,
  content: string | Uint8Array,
  spec: Partial<UploadSpec> = {},
): Promise<Upload> {
  const upload = await uploads.start(specOf(name, spec));
  await send(upload, 0, content);
  return upload;
}

/** Writes through a writer of its own, as a call does; what is there already is sent again. */
export async function send(upload: Upload, offset: number, content: string | Uint8Array): Promise<void> {
  const writer = await upload.openWriter(() => undefined);
  try {
    await writeChunk(upload, writer, offset, content);
  } finally {
    await writer.close();
  }
}

export async function writeChunk(
  upload: Upload,
  writer: UploadWriter,
  offset: number,
  content: string | Uint8Array,
  fs = nodeFileSystem,
): Promise<void> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  upload.checkQuota(offset, bytes.length);
  await writeFully((piece, at) => fs.write(descriptorOf(writer), piece, at), bytes, offset);
  upload.written({ start: offset, end: offset + bytes.length, crc32: crc32(bytes) });
}

export function descriptorOf({ sink }: UploadWriter): number {
  assert.equal(sink.kind, 'descriptor');
  return sink.fd;
}

/** The files of unfinished uploads. */
export function uploadEntries(root: string): string[] {
  try {
    const entries = readdirSync(join(root, '.sluice-uploads')).sort();
    return entries.filter((entry) => entry !== 'digests');
  } catch {
    return [];
  }
}

/** All files that peers can see, with their content. */
export function visibleFiles(root: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(root.length + 1);
    if (entry.isFile() && !name.startsWith('.sluice-')) files[name] = readFileSync(path, 'latin1');
  }
  return files;
}

export function makeDirectory(path: string): void {
  mkdirSync(path, { recursive: true });
}
