/** What must hold for every complete StreamFile answer, whatever was asked for. */
import assert from 'node:assert/strict';
import { crc32, inflateRawSync } from 'node:zlib';
import { assertBytes, type Content } from './content.ts';
import { type ChunkMessage, type Received, rawChunk, type StreamRequest } from './peers/raw-client.ts';

const GZIP_HEADER_BYTES = 10;
const GZIP_TRAILER_BYTES = 8;

export interface Expected {
  request: StreamRequest;
  content: Content;
  /** The most bytes that a chunk of this answer may have before compression. */
  chunkBytes: number;
}

/** The range `[start, end)` that a request means for a file of `size` bytes. */
function rangeOf(request: StreamRequest, size: number): { start: number; end: number } {
  const start = Number(request.start ?? 0);
  return { start, end: request.limit === undefined ? size : Math.min(size, start + Number(request.limit)) };
}

export function assertComplete(received: Received, { request, content, chunkBytes }: Expected): void {
  assert.equal(received.status, 'OK', `${received.status}: ${received.details}`);
  const { start, end } = rangeOf(request, content.size);
  assert.equal(received.bytes.length, end - start);
  assertBytes(received.bytes, content, start);
  const withDetails = request.wantDetails || request.wantChecksums;
  const chunks = received.messages.filter(({ file, summary }) => !file && !summary);
  assert.equal(
    received.messages.length - chunks.length,
    (withDetails ? 1 : 0) + (request.wantChecksums ? 1 : 0),
  );
  let offset = start;
  for (const message of chunks) {
    offset += assertChunk(message, offset, request, chunkBytes);
  }
  if (withDetails) assertIdentity(received, request, content);
  if (request.wantChecksums) assertSummary(received, start);
}

/** Returns the raw size of the chunk. */
function assertChunk(
  message: ChunkMessage,
  offset: number,
  request: StreamRequest,
  chunkBytes: number,
): number {
  const raw = rawChunk(message);
  assert(raw.length > 0, 'an empty chunk');
  assert(raw.length <= chunkBytes, `a chunk of ${raw.length} bytes, at most ${chunkBytes} were allowed`);
  const withDetails = request.wantDetails || request.wantChecksums;
  assert.equal(message.offset, withDetails ? String(offset) : '0');
  assert.equal(message.rawSize, withDetails ? raw.length : 0);
  assert.equal(message.crc32, request.wantChecksums ? crc32(raw) : undefined);
  if (message.compressed) {
    assert(request.canDecompress, 'a compressed chunk nobody can decompress');
    assert(message.chunk.length < raw.length, 'a chunk that compression made larger');
    if (message.codec === 'CODEC_UNSPECIFIED') assertOneMember(message.chunk, raw);
    else assert(request.acceptedCodecs?.includes(message.codec), `${message.codec} was not accepted`);
  }
  return raw.length;
}

/** Exactly one gzip member without extras, and nothing behind it. */
function assertOneMember(chunk: Buffer, raw: Buffer): void {
  assert.equal(chunk.subarray(0, 4).toString('hex'), '1f8b0800');
  const deflated = chunk.subarray(GZIP_HEADER_BYTES, chunk.length - GZIP_TRAILER_BYTES);
  assert(inflateRawSync(deflated).equals(raw), 'the chunk is not one gzip member');
  assert.equal(chunk.readUInt32LE(chunk.length - GZIP_TRAILER_BYTES), crc32(raw));
  assert.equal(chunk.readUInt32LE(chunk.length - 4), raw.length);
}

function assertIdentity({ messages }: Received, request: StreamRequest, content: Content): void {
  const [first] = messages;
  assert(first?.file, 'the first message has no identity');
  assert.equal(first.file.name, request.fileName);
  assert.equal(first.file.size, String(content.size));
  assert.notEqual(first.file.version, '');
  assert.equal(first.chunk.length, 0);
}

function assertSummary({ messages, bytes }: Received, start: number): void {
  const last = messages.at(-1);
  assert.deepEqual(last?.summary, { offset: String(start), size: String(bytes.length), crc32: crc32(bytes) });
  assert.equal(last?.chunk.length, 0);
}
