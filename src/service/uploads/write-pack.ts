/** Small files in one message: checked as a whole, written by the store, each with its own result. */
import { TransferError } from '../../base/errors.ts';
import { MAX_PACK_FILES } from '../../base/limits.ts';
import type { PackContent } from '../../engine/upload/pack-writer.ts';
import type { PackFile, WriteOutcome } from '../../storage/upload-store.ts';
import type { WritePackRequest, WritePackResponse, WriteResult, WrittenFile } from '../../wire/messages.ts';
import { safeInteger } from '../../wire/safe-integer.ts';
import { failureOf } from '../../wire/status.ts';
import type { ServiceContext } from '../context.ts';
import { attributesOf, chunkOf, conditionOf } from './upload-fields.ts';

/**
 * Writes the files of a pack; resolves when those that have their names are durable.
 *
 * @param request its content does not change until this settles
 * @param owner whose share of all uploads it takes: what the peer is counted by, or null
 * @throws TransferError when the message is none, or none of the files could be written
 */
export async function writePack(
  context: ServiceContext,
  request: WritePackRequest,
  owner: string | null,
): Promise<WritePackResponse> {
  const { store } = context.uploads;
  const content = contentOf(request, context.chunk.maxSize);
  const files = request.files.map(fileOf);
  checkFiles(files, content.rawBytes);
  const { counters } = context;
  counters.receivedBytes.add(content.rawBytes, 'raw', content.codec);
  counters.receivedBytes.add(content.bytes.length, 'wire', content.codec);
  const writer = context.engine.writePack(content, context.share);
  try {
    return { results: (await store.writePack(files, writer, owner)).map(resultOf) };
  } finally {
    writer.close();
  }
}

function contentOf(request: WritePackRequest, mostBytes: number): PackContent {
  const { content: bytes } = request;
  if (bytes.length > mostBytes) {
    const message = `the pack has ${bytes.length} bytes; this server takes ${mostBytes}: send smaller packs`;
    throw new TransferError('RESOURCE_EXHAUSTED', message);
  }
  const { codec, crc32, rawBytes } = chunkOf(request, bytes.length, 0, mostBytes);
  return { bytes, codec, crc32, rawBytes };
}

function checkFiles(files: readonly PackFile[], contentSize: number): void {
  if (files.length === 0 || files.length > MAX_PACK_FILES) {
    const message = `the pack has ${files.length} files; it has 1 to ${MAX_PACK_FILES}`;
    throw new TransferError('INVALID_ARGUMENT', message);
  }
  const size = files.reduce((sum, file) => sum + file.size, 0);
  if (size === contentSize) return;
  const message = `the files of the pack have ${size} bytes together, but its content has ${contentSize}`;
  throw new TransferError('INVALID_ARGUMENT', message);
}

function fileOf(file: WrittenFile): PackFile {
  const { fileName, size } = file;
  const condition = conditionOf(file);
  return { name: fileName, size: safeInteger(size, 'size'), condition, ...attributesOf(file) };
}

function resultOf(outcome: WriteOutcome): WriteResult {
  if (outcome instanceof TransferError) return { version: '', failure: failureOf(outcome) };
  return { version: outcome.version, failure: null };
}
