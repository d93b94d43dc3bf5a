import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  expectedOf,
  specOf,
  startedResponse,
  statusResponse,
} from '../../../src/service/uploads/upload-fields.ts';
import type { Upload, UploadState } from '../../../src/storage/upload-store.ts';
import { codecInContract, RUNTIME_CODECS } from '../../../src/wire/codec.ts';
import type { Expected, StartUploadRequest } from '../../../src/wire/messages.ts';

const NONE = new Uint8Array(0);

function startOf(fields: Partial<StartUploadRequest>): StartUploadRequest {
  return {
    fileName: 'a',
    expected: null,
    overwrite: 'OVERWRITE_UNSPECIFIED',
    ifMatch: '',
    uploadId: '',
    ...fields,
  };
}

function uploadOf(state: Partial<UploadState>): Upload {
  const whole = {
    committedSize: 0,
    parts: [],
    expectedSize: undefined,
    file: undefined,
    expiresMs: 7,
    ...state,
  };
  return { id: 'id', name: 'a/b.txt', state: () => whole } as unknown as Upload;
}

describe('what is expected of the content', () => {
  const given: [string, Expected | null, object][] = [
    ['nothing', null, {}],
    ['an empty message', { sha256: NONE }, {}],
    ['a size of 0', { size: 0, sha256: NONE }, { size: 0 }],
    ['a checksum of 0', { crc32: 0, sha256: NONE }, { crc32: 0 }],
    [
      'all of it',
      { size: 5, crc32: 6, sha256: new Uint8Array(32) },
      { size: 5, crc32: 6, sha256: new Uint8Array(32) },
    ],
  ];
  for (const [what, message, expected] of given) {
    it(`is ${what} when that is said`, () => assert.deepEqual(expectedOf(message), expected));
  }

  for (const size of [-1, 2 ** 53]) {
    it(`is refused with a size of ${size}`, () => {
      assert.throws(() => expectedOf({ size, sha256: NONE }), { code: 'INVALID_ARGUMENT', message: /size/ });
    });
  }

  for (const bytes of [1, 31, 33]) {
    it(`is refused with a SHA-256 of ${bytes} bytes`, () => {
      assert.throws(() => expectedOf({ sha256: new Uint8Array(bytes) }), {
        code: 'INVALID_ARGUMENT',
        message: /sha256/,
      });
    });
  }

  it('stays when the memory of the message is used again', () => {
    const buffer = Buffer.alloc(100, 5);
    const { sha256 } = expectedOf({ sha256: buffer.subarray(10, 42) });
    buffer.fill(9);
    assert.deepEqual(sha256, new Uint8Array(32).fill(5));
  });
});

describe('what may be under the name', () => {
  const wishes: [Partial<StartUploadRequest>, object][] = [
    [{}, { kind: 'absent' }],
    [{ overwrite: 'OVERWRITE_NEVER' }, { kind: 'absent' }],
    [{ overwrite: 'OVERWRITE_ALWAYS' }, { kind: 'any' }],
    [
      { overwrite: 'OVERWRITE_VERSION', ifMatch: 'v1' },
      { kind: 'version', version: 'v1' },
    ],
  ];
  for (const [wish, condition] of wishes) {
    it(`is ${JSON.stringify(condition)} for ${JSON.stringify(wish)}`, () => {
      assert.deepEqual(specOf(startOf(wish)), { name: 'a', expected: {}, condition });
    });
  }

  const refused: [Partial<StartUploadRequest>, RegExp][] = [
    [{ overwrite: 'OVERWRITE_VERSION' }, /if_match/],
    [{ ifMatch: 'v1' }, /OVERWRITE_VERSION/],
    [{ ifMatch: 'v1', overwrite: 'OVERWRITE_ALWAYS' }, /OVERWRITE_VERSION/],
    [{ overwrite: 99 }, /99/],
  ];
  for (const [wish, message] of refused) {
    it(`is refused for ${JSON.stringify(wish)}`, () => {
      assert.throws(() => specOf(startOf(wish)), { code: 'INVALID_ARGUMENT', message });
    });
  }
});

describe('what a file is to get besides its bytes', () => {
  it('is what the request says, and nothing that it does not', () => {
    const spec = specOf(startOf({ modifiedMs: 0, mode: 0 }));
    assert.deepEqual([spec.modifiedMs, spec.mode], [0, 0]);
    assert.deepEqual(Object.keys(specOf(startOf({}))), ['name', 'expected', 'condition']);
  });

  for (const modifiedMs of [8.65e15, -8.65e15, Number.NaN]) {
    it(`is refused with the time ${modifiedMs}`, () => {
      const message = /modified_ms/;
      assert.throws(() => specOf(startOf({ modifiedMs })), { code: 'INVALID_ARGUMENT', message });
    });
  }
});

describe('the answers about an upload', () => {
  it('say after its start what it takes and until when', () => {
    assert.deepEqual(startedResponse(uploadOf({}), 1000), {
      uploadId: 'id',
      maxChunkSize: 1000,
      expiresMs: 7,
      acceptedCodecs: RUNTIME_CODECS.map(codecInContract),
      takesPings: true,
    });
  });

  it('say how far it has come', () => {
    const parts = [
      { start: 0, end: 5 },
      { start: 8, end: 9 },
    ];
    assert.deepEqual(statusResponse(uploadOf({ committedSize: 5, parts, expectedSize: 10 }), 1000), {
      fileName: 'a/b.txt',
      committedSize: 5,
      parts,
      expectedSize: 10,
      complete: false,
      file: null,
      expiresMs: 7,
      acceptedCodecs: RUNTIME_CODECS.map(codecInContract),
      maxChunkSize: 1000,
      takesPings: true,
    });
  });

  it('say what the file is once it is there', () => {
    const file = { name: 'a/b.txt', size: 5, version: 'v', modifiedMs: 3, mode: 0o640 };
    const answer = statusResponse(uploadOf({ committedSize: 5, file }), 1000);
    assert.equal(answer.complete, true);
    assert.equal('expectedSize' in answer, false);
    assert.deepEqual(answer.file, { ...file, contentType: 'text/plain' });
  });
});
