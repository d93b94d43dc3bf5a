/** Whether more bytes of an upload are within all limits, before a slab or the disk takes them. */
import { TransferError } from '../../../base/errors.ts';
import type { CheckedRanges } from '../../../wire/checked-ranges.ts';
import { requireSize } from '../../max-size.ts';
import { quoteName } from '../../quoted-name.ts';
import type { Upload } from '../../upload-store.ts';
import type { UploadContext } from './options.ts';

/** Disjoint ranges of one upload: each costs memory and space in the journal. */
const MAX_PARTS = 1024;

/** @throws TransferError as `Upload.checkQuota`. */
export function requireQuota(
  { options, index, freeSpace }: UploadContext,
  { id, name, expectedSize }: Pick<Upload, 'id' | 'name' | 'expectedSize'>,
  written: CheckedRanges,
  offset: number,
  bytes: number,
): void {
  const end = offset + bytes;
  requireSize(options.maxSizeBytes, name, end);
  if (expectedSize !== undefined && end > expectedSize) {
    const message = `${quoteName(name)} was declared with ${expectedSize} bytes, and ${end} are sent; start over`;
    throw new TransferError('CONTENT_MISMATCH', message);
  }
  if (written.count >= MAX_PARTS && !written.touches(offset)) {
    const message = `${quoteName(name)} has ${MAX_PARTS} separate parts, the most there may be; send the gaps between them first`;
    throw new TransferError('RESOURCE_EXHAUSTED', message);
  }
  index.checkGrowth(id, written.bytes + bytes);
  freeSpace.check(bytes);
}
