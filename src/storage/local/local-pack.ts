/**
 * A pack of files of the local store. To open it opens nothing: a worker walks
 * to the directories of its piece, component by component, and opens, checks,
 * reads and closes the files there (`workers/gather-pack.ts`). So a pack whose
 * peer does not read holds no descriptor, and the event loop has no work for a
 * file or a directory but its bookkeeping.
 */
import type { FilePack, PackSlice } from '../byte-source.ts';
import { nameFault } from '../name.ts';
import { PackLayout } from '../pack-layout.ts';
import type { OpenPack, PackedFile } from '../store.ts';
import type { HeldRoot } from './served-root.ts';
import type { Versions } from './versions/versions.ts';

/** Throws UNAVAILABLE when the root is closed; it stays open until the pack is closed. */
export function openLocalPack(
  { root, use }: HeldRoot,
  files: readonly PackedFile[],
  known: Versions,
): OpenPack {
  const release = use.hold();
  const { device, directory, isStampedPrecisely } = root;
  const sliceRoot = { path: directory.pathOf('.'), kind: directory.kind, device, isStampedPrecisely };
  const layout = new PackLayout(files);
  const names = files.map(({ fileName }) => (nameFault(fileName) === undefined ? fileName : ''));
  const sizes = files.map(({ size }) => size);
  const versions = files.map(({ fileName, version }) => known.comparable(fileName, version));

  function slice(offset: number, bytes: number): PackSlice {
    const first = layout.fileAt(offset);
    const end = first + layout.filesIn(offset, bytes);
    return {
      root: sliceRoot,
      firstFile: first,
      skipBytes: offset - layout.startOf(first),
      names: names.slice(first, end),
      sizes: sizes.slice(first, end),
      versions: versions.slice(first, end),
    };
  }

  const source: FilePack = {
    kind: 'pack',
    slice,
    filesIn: (offset, bytes) => layout.filesIn(offset, bytes),
  };
  return { size: layout.size, source, close: async () => release() };
}
