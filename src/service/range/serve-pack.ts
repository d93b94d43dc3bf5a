/**
 * Many small files as one sequence of bytes, to whatever asks for it: one byte,
 * then the declared size, for each.
 *
 * Nothing that is wrong with a file is an error here, its byte says so; an error
 * is a request that asks for no pack, and a file that changed in the middle.
 */
import { TransferError } from '../../base/errors.ts';
import { MAX_PACK_BYTES, MAX_PACK_FILES } from '../../base/limits.ts';
import { openPack } from '../../storage/pack-by-opening.ts';
import type { OpenPack } from '../../storage/store.ts';
import { codecsFromContract } from '../../wire/codec.ts';
import type { PackedFile, ReadPackRequest } from '../../wire/messages.ts';
import type { ServiceContext } from '../context.ts';
import type { RequestFacts } from '../prelude/request-log.ts';
import { type RangeOutlet, sendRange } from './send-range.ts';
import { chunkBytesOf, compressionFor, rangeOf } from './stream-request.ts';

/** Throws a TransferError. Either way nothing uses the files any more, and what touches bytes is known to the outlet. */
export async function servePack(
  context: ServiceContext,
  request: ReadPackRequest,
  outlet: RangeOutlet,
  facts: RequestFacts,
): Promise<void> {
  facts.files = request.files.length;
  checkFiles(request.files);
  const chunkBytes = chunkBytesOf(request, context.chunk);
  const pack = await openPack(context.store, request.files);
  try {
    await serveOpened(context, request, outlet, facts, pack, chunkBytes);
  } finally {
    await pack.close();
  }
}

async function serveOpened(
  context: ServiceContext,
  request: ReadPackRequest,
  outlet: RangeOutlet,
  facts: RequestFacts,
  pack: OpenPack,
  chunkBytes: number,
): Promise<void> {
  const { acceptedCodecs, compression, files, wantChecksums } = request;
  const codecs = codecsFromContract(acceptedCodecs);
  const names = files.map(({ fileName }) => fileName);
  const range = {
    source: pack.source,
    ...rangeOf({ start: request.start }, pack.size),
    chunkBytes,
    details: true,
    checksums: wantChecksums,
    compression: compressionFor({ compression, codecs }, pack.size, names, context.compression),
    codecs,
  };
  await sendRange(context, range, outlet, facts);
}

/** Throws INVALID_ARGUMENT. Names are the store's to check. */
function checkFiles(files: readonly PackedFile[]): void {
  if (files.length === 0 || files.length > MAX_PACK_FILES) {
    throw new TransferError(
      'INVALID_ARGUMENT',
      `a pack of ${files.length} files is asked for; ask for 1 to ${MAX_PACK_FILES}`,
    );
  }
  let contentBytes = 0;
  for (const { size } of files) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new TransferError(
        'INVALID_ARGUMENT',
        `the size ${size} of a packed file is no size; send what the listing says`,
      );
    }
    contentBytes += size;
  }
  if (contentBytes > MAX_PACK_BYTES) {
    throw new TransferError(
      'INVALID_ARGUMENT',
      `a pack of ${contentBytes} bytes is asked for; ask for ${MAX_PACK_BYTES} at most, and for large files by StreamFile`,
    );
  }
}
