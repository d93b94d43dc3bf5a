/** A client made from the four messages that are fixed for ever, and nothing else. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';
import { assertBytes, lines, noise } from '../support/content.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { KIB, MIB, startServer } from '../support/test-server.ts';

const PLAIN_PROTO = `
syntax = "proto3";
package sluice.v1;
service TransferService {
  rpc GetFileSize(GetFileSizeRequest) returns (GetFileSizeResponse);
  rpc StreamFile(StreamFileRequest) returns (stream StreamFileResponse);
}
message GetFileSizeRequest { string file_name = 1; }
message GetFileSizeResponse { int64 size = 1; }
message StreamFileRequest { int64 start = 1; int32 chunk_size = 2; string file_name = 3; bool can_decompress = 4; }
message StreamFileResponse { bytes chunk = 1; bool compressed = 2; }
`;

interface PlainChunk {
  chunk: Buffer;
  compressed: boolean;
}

test('a client made from the four plain messages gets sizes and bytes, plain and compressed', async (t) => {
  const server = await startServer(t);
  const text = server.write('text', lines(3 * MIB + 5));
  const random = server.write('random', noise(1, 2 * MIB + 3));
  const protoPath = join(scratchDirectory(t), 'plain.proto');
  writeFileSync(protoPath, PLAIN_PROTO);
  const service = loadSync(protoPath, { longs: Number, defaults: true })['sluice.v1.TransferService'];
  const { GetFileSize, StreamFile } = service as ServiceDefinition;
  const client = new Client(server.address, credentials.createInsecure());
  t.after(() => client.close());

  const cases = [
    { name: 'text', content: text, canDecompress: true, compresses: true },
    { name: 'text', content: text, canDecompress: false, compresses: false },
    { name: 'random', content: random, canDecompress: true, compresses: false },
  ];
  for (const { name, content, canDecompress, compresses } of cases) {
    const { size } = await call<{ size: number }>(client, GetFileSize, { fileName: name });
    assert.equal(size, content.size);
    for (const start of [0, 1, size - 1, size]) {
      const request = { start, chunkSize: 50 * KIB, fileName: name, canDecompress };
      const chunks = await read(client, StreamFile, request);
      const bytes = Buffer.concat(
        chunks.map(({ chunk, compressed }) => (compressed ? gunzipSync(chunk) : chunk)),
      );
      assert.equal(bytes.length, size - start);
      assertBytes(bytes, content, start);
      if (size - start > MIB)
        assert.equal(
          chunks.some(({ compressed }) => compressed),
          compresses,
        );
    }
  }
  const beyond = read(client, StreamFile, { start: text.size + 1, fileName: 'text' });
  await assert.rejects(beyond, { code: status.OUT_OF_RANGE });
});

function call<T>(client: Client, method: unknown, request: object): Promise<T> {
  const { path, requestSerialize, responseDeserialize } = method as MethodDefinition<object, object>;
  return new Promise((resolve, reject) => {
    const done = (failure: ServiceError | null, answer?: object) =>
      failure ? reject(failure) : resolve(answer as T);
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, done);
  });
}

async function read(client: Client, method: unknown, request: object): Promise<PlainChunk[]> {
  const { path, requestSerialize, responseDeserialize } = method as MethodDefinition<object, object>;
  const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request);
  const chunks: PlainChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk as PlainChunk);
  return chunks;
}
