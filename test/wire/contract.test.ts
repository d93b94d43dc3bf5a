import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fromJSON, type MessageTypeDefinition } from '@grpc/proto-loader';
import { packageDefinition, transferService } from '../../src/wire/service.ts';

/** Seen from dist/test/wire. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

interface Field {
  name: string;
  number: number;
  type: string;
  label: string;
}

function fieldsOf(message: string): Field[] {
  return (packageDefinition[`sluice.v1.${message}`] as unknown as { type: { field: Field[] } }).type.field;
}

/** `name = number type`, as the contract fixes it. */
function signatureOf(message: string): string[] {
  return fieldsOf(message).map(
    ({ name, number, type }) => `${name} = ${number} ${type.replace('TYPE_', '').toLowerCase()}`,
  );
}

/** The part of the contract that a client generated from four messages alone depends on. */
const FIXED_FOR_EVER: Record<string, string[]> = {
  GetFileSizeRequest: ['fileName = 1 string'],
  GetFileSizeResponse: ['size = 1 int64'],
  StreamFileRequest: [
    'start = 1 int64',
    'chunkSize = 2 int32',
    'fileName = 3 string',
    'canDecompress = 4 bool',
  ],
  StreamFileResponse: ['chunk = 1 bytes', 'compressed = 2 bool'],
};

describe('the contract', () => {
  for (const [message, fields] of Object.entries(FIXED_FOR_EVER)) {
    it(`keeps the names, numbers and types of ${message} that are fixed for ever`, () => {
      assert.deepEqual(signatureOf(message).slice(0, fields.length), fields);
    });
  }

  it('keeps the paths and the directions of its calls', () => {
    const calls = Object.entries(transferService).map(([name, method]) => [
      name,
      method.path,
      method.requestStream,
      method.responseStream,
    ]);
    assert.deepEqual(calls, [
      ['GetFileSize', '/sluice.v1.TransferService/GetFileSize', false, false],
      ['StreamFile', '/sluice.v1.TransferService/StreamFile', false, true],
      ['StatFile', '/sluice.v1.TransferService/StatFile', false, false],
      ['ListFiles', '/sluice.v1.TransferService/ListFiles', false, true],
      ['StartUpload', '/sluice.v1.TransferService/StartUpload', false, false],
      ['UploadFile', '/sluice.v1.TransferService/UploadFile', true, false],
      ['GetUploadStatus', '/sluice.v1.TransferService/GetUploadStatus', false, false],
      ['FinishUpload', '/sluice.v1.TransferService/FinishUpload', false, false],
      ['AbortUpload', '/sluice.v1.TransferService/AbortUpload', false, false],
      ['DeleteFile', '/sluice.v1.TransferService/DeleteFile', false, false],
      ['MakeDirectory', '/sluice.v1.TransferService/MakeDirectory', false, false],
      ['Exchange', '/sluice.v1.TransferService/Exchange', true, true],
    ]);
  });

  it('is in code as it stands in proto/', async () => {
    await promisify(execFile)(process.execPath, [join(ROOT, 'scripts/contract.mjs'), '--check']);
  });

  it('is understood by a client generated from the four messages alone', () => {
    const request = { start: 5, chunkSize: 100, fileName: 'a/b', canDecompress: true };
    const decoded = transferService.StreamFile?.requestDeserialize(
      fourMessages.StreamFileRequest.serialize(request),
    );
    assert.deepEqual({ ...decoded, ...request }, decoded);

    const response = {
      chunk: Buffer.from('bytes'),
      compressed: true,
      offset: 5,
      rawSize: 9,
      crc32: 7,
      file: {},
      summary: {},
    };
    const sent = transferService.StreamFile?.responseSerialize(response) as Buffer;
    assert.deepEqual(fourMessages.StreamFileResponse.deserialize(sent), {
      chunk: response.chunk,
      compressed: true,
    });
  });
});

/** What such a client has, and nothing else. */
const fourMessages = (() => {
  const field = (id: number, type: string) => ({ id, type });
  const messages = fromJSON(
    {
      nested: {
        StreamFileRequest: {
          fields: {
            start: field(1, 'int64'),
            chunkSize: field(2, 'int32'),
            fileName: field(3, 'string'),
            canDecompress: field(4, 'bool'),
          },
        },
        StreamFileResponse: { fields: { chunk: field(1, 'bytes'), compressed: field(2, 'bool') } },
      },
    },
    { longs: Number },
  );
  return messages as unknown as Record<
    'StreamFileRequest' | 'StreamFileResponse',
    MessageTypeDefinition<object, object>
  >;
})();
