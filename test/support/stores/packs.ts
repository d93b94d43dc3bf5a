/** Packs as a peer asks for them, and what their bytes have to be. */
import { lstatSync } from 'node:fs';
import type { PackedFile, Store } from '../../../src/storage/store.ts';
import { until } from '../until.ts';

/** Longer than any tick of a file system's clock. */
const SETTLED_MS = 20;

/** The files as the store tells of them now. */
export function packedFiles(store: Store, names: readonly string[]): Promise<PackedFile[]> {
  return Promise.all(
    names.map(async (fileName) => {
      const { size, version } = await store.stat(fileName);
      return { fileName, size, version };
    }),
  );
}

/** The bytes of a pack: each file by its content, or by the size of one that is not as asked. */
export function packBytes(files: readonly (string | Buffer | number)[]): Buffer {
  return Buffer.concat(
    files.flatMap((file) =>
      typeof file === 'number'
        ? [Buffer.from([1]), Buffer.alloc(file)]
        : [Buffer.from([0]), Buffer.from(file)],
    ),
  );
}

/** Until a write to one of `paths` shows in its stamps, whatever the file system. */
export async function settled(...paths: string[]): Promise<void> {
  const changedMs = Math.max(...paths.map((path) => lstatSync(path).ctimeMs));
  await until('the stamps are old enough', () => Date.now() - changedMs > SETTLED_MS);
}
