/** The messages an honest server answers a StreamFile request with, and ways to spoil them. */
import { gzipSync } from 'node:zlib';
import { TransferError } from '../../../src/base/errors.ts';
import { crc32 } from '../../../src/wire/crc32.ts';
import type { FileInfo, StreamFileRequest, StreamFileResponse } from '../../../src/wire/messages.ts';

export interface ScriptedFile {
  content: Buffer;
  version: string;
  modifiedMs?: number;
}

export type Message = Partial<StreamFileResponse>;

export function infoOf(name: string, file: ScriptedFile): FileInfo {
  const { content, version, modifiedMs = 0 } = file;
  return { name, size: content.byteLength, version, modifiedMs, contentType: '' };
}

interface Manners {
  isPlain: boolean;
  compresses: boolean;
}

/** The file's identity, the chunks, the summary; a plain server sends chunks only and knows no limit. */
export function* honestMessages(
  request: StreamFileRequest,
  file: ScriptedFile,
  manners: Manners,
): Generator<Message> {
  const { fileName, start, ifMatch, limit } = request;
  const { content } = file;
  const size = content.byteLength;
  if (start > size) throw new TransferError('OUT_OF_RANGE', `${fileName} is shorter`);
  if (manners.isPlain) {
    yield* chunks(request, content, size, manners);
    return;
  }
  if (ifMatch !== '' && ifMatch !== file.version) {
    throw new TransferError('VERSION_MISMATCH', `${fileName} has changed`, { version: file.version });
  }
  const end = limit === undefined ? size : Math.min(size, start + limit);
  if (request.wantDetails) yield { file: infoOf(fileName, file) };
  yield* chunks(request, content, end, manners);
  if (!request.wantChecksums) return;
  yield { summary: { offset: start, size: end - start, crc32: crc32(content.subarray(start, end)) } };
}

function* chunks(
  request: StreamFileRequest,
  content: Buffer,
  end: number,
  manners: Manners,
): Generator<Message> {
  const chunkBytes = request.chunkSize || 65_536;
  const compressed = manners.compresses && request.canDecompress;
  const hasDetails = request.wantDetails && !manners.isPlain;
  const hasChecksums = request.wantChecksums && !manners.isPlain;
  for (let offset = request.start; offset < end; offset += chunkBytes) {
    const raw = content.subarray(offset, Math.min(end, offset + chunkBytes));
    yield {
      chunk: compressed ? gzipSync(raw) : raw,
      compressed,
      ...(hasDetails ? { offset, rawSize: raw.byteLength } : {}),
      ...(hasChecksums ? { crc32: crc32(raw) } : {}),
    };
  }
}

/** Only the first `count` messages; with details the first of all is the file's identity. */
export function first(count: number): (honest: Iterable<Message>) => Iterable<Message> {
  return function* (honest) {
    let sent = 0;
    for (const message of honest) {
      if (sent >= count) return;
      sent += 1;
      yield message;
    }
  };
}

/** Changes the message at `index`. */
export function changed(
  index: number,
  change: (message: Message) => Message,
): (honest: Iterable<Message>) => Iterable<Message> {
  return function* (honest) {
    let at = 0;
    for (const message of honest) {
      yield at === index ? change(message) : message;
      at += 1;
    }
  };
}

/** Changes the summary. */
export function changedSummary(
  change: (message: Message) => Message,
): (honest: Iterable<Message>) => Iterable<Message> {
  return function* (honest) {
    for (const message of honest) yield message.summary ? change(message) : message;
  };
}
