/** A file that has its name gets no byte more from streams of its upload that were still open. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noise } from '../support/content.ts';
import type { RawClient } from '../support/peers/raw-client.ts';
import { uploadStatus } from '../support/peers/raw-upload.ts';
import { STORES, startServer } from '../support/test-server.ts';

const content = noise(1, 2000);
const HALF = 1000;

/** An upload of unknown size, half of it durable, and a stream that goes on with it. */
async function halfSent(client: RawClient) {
  const { answer } = await client.unary('StartUpload', { fileName: 'file' });
  const uploadId = String(answer?.uploadId);
  const stream = client.clientStream('UploadFile');
  stream.call.write({ uploadId, offset: 0, chunk: content.bytes(0, HALF) });
  let committed = 0;
  while (committed < HALF) committed = (await uploadStatus(client, uploadId, true))?.committedSize ?? 0;
  return { uploadId, ...stream };
}

for (const store of STORES) {
  for (const how of ['FinishUpload', 'UploadFile']) {
    test(`a stream that is open when ${how} finishes its upload ends, and writes nothing (${store})`, async (t) => {
      const server = await startServer(t, { writable: true, uploads: { minFree: 0 } }, { store });
      const client = server.client();
      for (let round = 0; round < 4; round++) {
        const { uploadId, call, ended } = await halfSent(client);
        call.write({ chunk: content.bytes(HALF, 2 * HALF) });
        const finished = await finish(client, how, uploadId);
        call.end();
        const late = await ended;
        await server.untilIdle();
        const found = server.read('file') ?? Buffer.alloc(0);
        if (finished.status === 'OK') {
          assert(
            found.equals(content.bytes(0, Number(finished.size))),
            `${finished.size} bytes became ${found.length}`,
          );
          assert(
            found.length === 2 * HALF || late.status !== 'OK',
            'bytes that went nowhere were acknowledged',
          );
        }
        assert.equal((await client.unary('DeleteFile', { fileName: 'file' })).status, 'OK');
      }
    });
  }
}

async function finish(client: RawClient, how: string, uploadId: string) {
  if (how === 'FinishUpload') {
    const { status, answer } = await client.unary('FinishUpload', { uploadId });
    return { status, size: (answer?.file as { size: string } | undefined)?.size };
  }
  const { call, ended } = client.clientStream('UploadFile');
  call.write({ uploadId, finish: true });
  call.end();
  const { status, answer } = await ended;
  return { status, size: (answer?.file as { size: string } | undefined)?.size };
}
