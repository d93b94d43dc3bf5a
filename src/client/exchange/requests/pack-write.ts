/**
 * Small files, each written whole. A pack whose answer was lost is sent again. The
 * first time may have written files that must not be there the second time, or not
 * in that version: such a file is read back, and counts as written when it has the
 * same bytes.
 */
import { TransferError } from '../../../base/errors.ts';
import { crc32 } from '../../../wire/crc32.ts';
import type { ExchangeLimits, WritePackResponse, WriteResult } from '../../../wire/messages.ts';
import { errorOfFailure } from '../../../wire/status.ts';
import { brokenContract } from '../../broken-contract.ts';
import { CodecAccount, type CodecBytes } from '../../codec-account.ts';
import type { CodedChunk } from '../../compression/chunk-coder.ts';
import { attributesOf } from '../../file-attributes.ts';
import { overwriteWish } from '../../upload/options.ts';
import type { SessionWriteOptions } from '../options.ts';
import type { RequestFields, RequestHost } from '../request.ts';
import { ReadRequest } from './read.ts';
import { SingleRequest } from './single.ts';

/** A file to be written. The bytes must not change before the result is there. */
export interface FileToWrite extends Omit<SessionWriteOptions, 'signal'> {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What became of one file of a pack: its version, with its share of what was sent, or why it was not written. */
export type FileWritten =
  | { readonly version: string; readonly codecs: CodecBytes }
  | { readonly error: TransferError };

/**
 * Writes a pack; resolves with one result for each file, in their order. Those
 * with a version are durable. Rejects when nothing is known of any.
 *
 * The caller keeps to the limits of a pack, which `packLimits` tells.
 */
export async function writePack(
  host: RequestHost,
  files: readonly FileToWrite[],
  options: { signal?: AbortSignal | undefined } = {},
): Promise<FileWritten[]> {
  const { signal } = options;
  const request = packRequest(host, files, signal, (result) => result);
  host.submit(request);
  const results = await request.result;
  return await Promise.all(
    results.map(async ({ failure, version }, index) => {
      const file = files[index] as FileToWrite;
      const codecs = shareOf(file, request.sent);
      if (failure === null) return { version, codecs };
      const error = errorOfFailure(failure);
      const written = await versionWritten(host, file, error, request.isRepeated, signal);
      return written === undefined ? { error } : { version: written, codecs };
    }),
  );
}

/** Writes one file; resolves with its version once it is durable. */
export async function writeFile(
  host: RequestHost,
  file: FileToWrite,
  signal: AbortSignal | undefined,
): Promise<string> {
  const request = packRequest(host, [file], signal, ({ failure, version }) => {
    // Another attempt may follow, as after the failure of a whole request.
    if (failure !== null) throw errorOfFailure(failure);
    return { failure, version };
  });
  host.submit(request);
  try {
    const [result] = await request.result;
    return (result as WriteResult).version;
  } catch (reason) {
    const written = await versionWritten(host, file, TransferError.from(reason), request.isRepeated, signal);
    if (written === undefined) throw reason;
    return written;
  }
}

function packRequest(
  host: RequestHost,
  files: readonly FileToWrite[],
  signal: AbortSignal | undefined,
  check: (result: WriteResult) => WriteResult,
): SingleRequest<WriteResult[]> {
  const wanted = files.map(writtenFile);
  const content = contentOf(files);
  const crc = host.options.verify ? { crc32: crc32(content) } : {};
  const write = { files: wanted, content, compressed: false, rawSize: 0, codec: 0, ...crc };
  const name = files.length === 1 ? (files[0] as FileToWrite).name : `a pack of ${files.length} files`;
  return new SingleRequest(host, {
    kind: 'write',
    name,
    signal,
    isPack: true,
    fields: (limits): RequestFields => {
      checkSize(name, content.byteLength, limits as ExchangeLimits);
      return { write };
    },
    read: ({ written }) => (written ? checkedResults(written, files.length).map(check) : undefined),
  });
}

function shareOf({ bytes }: FileToWrite, pack: CodedChunk | undefined): CodecBytes {
  const account = new CodecAccount();
  if (pack !== undefined) {
    const { bytes: sent, coding, rawBytes } = pack;
    account.noteShare({ codec: coding.codec, rawBytes, wireBytes: sent.byteLength }, bytes.byteLength);
  }
  return account.total;
}

function writtenFile({ name, bytes, ifMatch = '', mode, modifiedMs, overwrite = true }: FileToWrite) {
  if (name === '') throw new TransferError('INVALID_ARGUMENT', 'the name of the file to write is empty');
  return {
    fileName: name,
    size: bytes.byteLength,
    overwrite: overwriteWish(overwrite, ifMatch),
    ifMatch,
    ...attributesOf({ mode, modifiedMs }),
  };
}

function contentOf(files: readonly FileToWrite[]): Uint8Array {
  const [first] = files;
  if (files.length === 1 && first !== undefined) return first.bytes;
  return Buffer.concat(files.map(({ bytes }) => bytes)); // copy: a pack is one sequence of bytes
}

function checkSize(name: string, bytes: number, { maxPackSize }: ExchangeLimits): void {
  if (bytes <= maxPackSize) return;
  throw new TransferError(
    'INVALID_ARGUMENT',
    `${name} has ${bytes} bytes; the server takes ${maxPackSize} in one message, so send it with client.upload()`,
  );
}

function checkedResults({ results }: WritePackResponse, count: number): WriteResult[] {
  if (results.length === count) return results;
  throw brokenContract(`${results.length} results for ${count} files`);
}

/** The version of a file that an earlier attempt has written; undefined where `error` stands. */
async function versionWritten(
  host: RequestHost,
  { name, bytes }: FileToWrite,
  error: TransferError,
  isRepeated: boolean,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (!isRepeated || (error.code !== 'ALREADY_EXISTS' && error.code !== 'VERSION_MISMATCH')) return undefined;
  const read = new ReadRequest(host, name, { signal });
  try {
    const { size, version } = await read.file;
    if (size !== bytes.byteLength) return undefined;
    return Buffer.compare(await read.buffer({ maxBytes: size }), bytes) === 0 ? version : undefined;
  } catch {
    return undefined;
  } finally {
    host.settle(read);
  }
}
