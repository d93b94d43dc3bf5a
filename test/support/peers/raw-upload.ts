/**
 * Uploads as a client written from the contract alone would do them: bare
 * grpc-js, any chunk size, gzip or not, any part of the file in any call.
 */
import { crc32, gzipSync } from 'node:zlib';
import type { Content } from '../content.ts';
import type { Random } from '../seed.ts';
import type { Answered, RawClient } from './raw-client.ts';

export interface UploadStatus {
  committedSize: number;
  parts: { start: number; end: number }[];
  complete: boolean;
}

export function expectedOf(content: Content): object {
  return { size: content.size, crc32: crc32(content.bytes(0, content.size)) };
}

/** The status of an upload; undefined when the call did not end in OK. */
export async function uploadStatus(
  client: RawClient,
  uploadId: string,
  sync = false,
): Promise<UploadStatus | undefined> {
  const { answer } = await client.unary('GetUploadStatus', { uploadId, sync });
  if (answer === undefined) return undefined;
  const parts = answer.parts as { start: string; end: string }[];
  return {
    committedSize: Number(answer.committedSize),
    parts: parts.map(({ start, end }) => ({ start: Number(start), end: Number(end) })),
    complete: answer.complete as boolean,
  };
}

/** Messages for the bytes `[start, end)`, some of their chunks compressed. */
export function* chunkMessages(
  content: Content,
  start: number,
  end: number,
  random: Random,
  maxChunkBytes: number,
): Generator<object> {
  for (let at = start; at < end; ) {
    const raw = content.bytes(at, Math.min(end, at + random.between(1, maxChunkBytes)));
    const isCompressed = random.next() < 0.3;
    const member = isCompressed ? gzipSync(raw, { level: 1 }) : raw;
    const isSmaller = member.length < raw.length;
    yield {
      offset: at,
      crc32: crc32(raw),
      chunk: isSmaller ? member : raw,
      compressed: isSmaller,
      rawSize: isSmaller ? raw.length : 0,
    };
    at += raw.length;
  }
}

/** Sends `messages` in one call, each when the last one is on its way; resolves with the call's end. */
export async function sendMessages(
  client: RawClient,
  uploadId: string,
  messages: Iterable<object>,
): Promise<Answered> {
  const { call, ended } = client.clientStream('UploadFile');
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  let isFirst = true;
  for (const message of messages) {
    if (isOver) break;
    const written = new Promise<void>((resolve) => {
      call.write(isFirst ? { ...message, uploadId } : message, () => resolve());
    });
    isFirst = false;
    await Promise.race([written, ended]);
  }
  call.end();
  return await ended;
}
