/** Checks upload ids from peers, because ids name files. */
import { isUploadId } from '../../../base/upload-id.ts';

/** What belongs to an upload, by its suffix: its bytes, which are a partial file, its journal, and a journal that is being written to replace that one. */
export type UploadEntryKind = 'part' | 'journal' | 'new';

/** The file of an upload, in the directory of uploads. */
export function uploadEntry(id: string, kind: UploadEntryKind): string {
  return `${id}.${kind}`;
}

/** What `entry` of the directory of uploads is; undefined when it is not ours. */
export function parseUploadEntry(entry: string): { id: string; kind: UploadEntryKind } | undefined {
  const [id = '', kind, ...rest] = entry.split('.');
  if (!isUploadId(id) || rest.length > 0) return undefined;
  return kind === 'part' || kind === 'journal' || kind === 'new' ? { id, kind } : undefined;
}

/** The file of a pack that has no name yet: the `index`th of the pack `id`. */
export function packEntry(id: string, index: number): string {
  return `${id}.${index}.pack`;
}

/** The id of the pack that `entry` of the directory of uploads belongs to; undefined when it is none of a pack. */
export function packOfEntry(entry: string): string | undefined {
  const [id = '', index = '', kind, ...rest] = entry.split('.');
  const isOurs = isUploadId(id) && /^\d{1,9}$/.test(index) && kind === 'pack' && rest.length === 0;
  return isOurs ? id : undefined;
}
