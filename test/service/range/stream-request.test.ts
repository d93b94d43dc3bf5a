import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  checkVersion,
  chunkBytesOf,
  codecsOf,
  compressionOf,
  rangeOf,
} from '../../../src/service/range/stream-request.ts';
import type { FileIdentity } from '../../../src/storage/store.ts';
import { RUNTIME_CODECS } from '../../../src/wire/codec.ts';
import type { StreamFileRequest } from '../../../src/wire/messages.ts';

function requestOf(fields: Partial<StreamFileRequest> = {}): StreamFileRequest {
  return {
    start: 0,
    chunkSize: 0,
    fileName: 'a.txt',
    canDecompress: false,
    ifMatch: '',
    wantDetails: false,
    wantChecksums: false,
    compression: 'COMPRESSION_UNSPECIFIED',
    acceptedCodecs: [],
    keepAliveMs: 0,
    ...fields,
  };
}

function fileOf(fields: Partial<FileIdentity> = {}): FileIdentity {
  return { name: 'a.txt', size: 1_000_000, version: 'v1', modifiedMs: 0, ...fields };
}

describe('the size of a chunk', () => {
  const sizes = { size: 256, maxSize: 1024 };
  const asked: [number, number][] = [
    [0, 256],
    [1, 1],
    [1024, 1024],
    [1025, 1024],
    [2 ** 31 - 1, 1024],
  ];
  for (const [chunkSize, given] of asked) {
    it(`is ${given} when ${chunkSize} is asked for, the default is 256 and the most 1024`, () => {
      assert.equal(chunkBytesOf(requestOf({ chunkSize }), sizes), given);
    });
  }

  it('is refused when negative', () => {
    for (const chunkSize of [-1, -(2 ** 31)]) {
      assert.throws(() => chunkBytesOf(requestOf({ chunkSize }), sizes), {
        code: 'INVALID_ARGUMENT',
        message: /chunk_size/,
      });
    }
  });
});

describe('the range', () => {
  const asked: [Partial<StreamFileRequest>, number, number][] = [
    [{}, 0, 100],
    [{ start: 40 }, 40, 100],
    [{ start: 100 }, 100, 100],
    [{ start: 40, limit: 10 }, 40, 50],
    [{ start: 40, limit: 60 }, 40, 100],
    [{ start: 40, limit: 61 }, 40, 100],
    [{ limit: 0 }, 0, 0],
    [{ start: 100, limit: 5 }, 100, 100],
    [{ start: 40, limit: 2 ** 63 }, 40, 100],
  ];
  for (const [fields, start, end] of asked) {
    it(`of ${JSON.stringify(fields)} in a file of 100 bytes is [${start}, ${end})`, () => {
      assert.deepEqual(rangeOf(requestOf(fields), 100), { start, end });
    });
  }

  const refused: [Partial<StreamFileRequest>, string, RegExp][] = [
    [{ start: -1 }, 'INVALID_ARGUMENT', /start/],
    [{ start: -(2 ** 63) }, 'INVALID_ARGUMENT', /start/],
    [{ limit: -1 }, 'INVALID_ARGUMENT', /limit/],
    [{ start: 101 }, 'OUT_OF_RANGE', /100 bytes/],
    [{ start: 2 ** 63 }, 'OUT_OF_RANGE', /100 bytes/],
    [{ start: 101, limit: -1 }, 'INVALID_ARGUMENT', /limit/],
  ];
  for (const [fields, code, message] of refused) {
    it(`of ${JSON.stringify(fields)} in a file of 100 bytes is ${code}`, () => {
      assert.throws(() => rangeOf(requestOf(fields), 100), { code, message });
    });
  }

  it('of an empty file is empty', () => {
    assert.deepEqual(rangeOf(requestOf(), 0), { start: 0, end: 0 });
  });

  it('lies in the file, starts where asked and is as long as asked or up to the end', () => {
    const anyInteger = fc.oneof(fc.nat(200), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }));
    fc.assert(
      fc.property(anyInteger, anyInteger, fc.option(anyInteger, { nil: undefined }), (size, from, limit) => {
        const start = Math.min(from, size);
        const range = rangeOf(requestOf({ start, ...(limit === undefined ? {} : { limit }) }), size);
        assert.equal(range.start, start);
        assert.equal(range.end - range.start, Math.min(limit ?? size, size - start));
      }),
    );
  });
});

describe('the version', () => {
  it('is any when none is asked for', () => {
    checkVersion(requestOf({ ifMatch: '' }), fileOf());
  });

  it('is right when it is the one asked for', () => {
    checkVersion(requestOf({ ifMatch: 'v1' }), fileOf());
  });

  it('that is another one is a mismatch that names the present one', () => {
    for (const ifMatch of ['v2', 'V1', 'v1 ', '*']) {
      assert.throws(() => checkVersion(requestOf({ ifMatch }), fileOf()), {
        code: 'VERSION_MISMATCH',
        version: 'v1',
        message: /v1/,
      });
    }
  });
});

describe('compression', () => {
  const settings = { mode: 'auto', minSize: 1024 } as const;
  const gzip = { canDecompress: true };
  const asked: [string, Partial<StreamFileRequest>, Partial<FileIdentity>, string][] = [
    ['a text', gzip, {}, 'auto'],
    ['a file of unknown type', gzip, { name: 'model.weights' }, 'auto'],
    ['a picture', gzip, { name: 'a.png' }, 'never'],
    ['a text for a client that cannot decompress', {}, {}, 'never'],
    ['a text for a client that wishes none', { ...gzip, compression: 'COMPRESSION_NEVER' }, {}, 'never'],
    [
      'a picture for a client that always wishes it',
      { ...gzip, compression: 'COMPRESSION_ALWAYS' },
      { name: 'a.png' },
      'always',
    ],
    [
      'a text for a client that wishes it and cannot decompress',
      { compression: 'COMPRESSION_ALWAYS' },
      {},
      'never',
    ],
    ['a text for a client of a later version with another wish', { ...gzip, compression: 77 }, {}, 'auto'],
    ['a text for a client that lists gzip', { ...gzip, acceptedCodecs: [99, 'CODEC_GZIP'] }, {}, 'auto'],
    ['a text for a client that lists other codecs only', { ...gzip, acceptedCodecs: [99] }, {}, 'never'],
    ['a tiny text', gzip, { size: 1023 }, 'never'],
    ['a text of the least size', gzip, { size: 1024 }, 'auto'],
    [
      'a tiny text for a client that always wishes it',
      { ...gzip, compression: 'COMPRESSION_ALWAYS' },
      { size: 1023 },
      'never',
    ],
  ];
  for (const [what, request, file, mode] of asked) {
    it(`of ${what} is ${mode}`, () => {
      assert.equal(compressionOf(requestOf(request), fileOf(file), settings), mode);
    });
  }

  it('is never when the server has it off', () => {
    const request = requestOf({ ...gzip, compression: 'COMPRESSION_ALWAYS' });
    assert.equal(compressionOf(request, fileOf(), { mode: 'off', minSize: 0 }), 'never');
  });

  it('is never for any request of a client that did not say it can decompress', () => {
    const anyWish = fc.record({
      compression: fc.constantFrom(
        'COMPRESSION_UNSPECIFIED' as const,
        'COMPRESSION_NEVER' as const,
        'COMPRESSION_ALWAYS' as const,
        5,
      ),
      acceptedCodecs: fc.array(fc.constantFrom('CODEC_GZIP' as const, 'CODEC_UNSPECIFIED' as const, 9)),
    });
    fc.assert(
      fc.property(anyWish, fc.nat(1e7), fc.constantFrom('a.txt', 'a', 'a.gz'), (wish, size, name) => {
        const request = requestOf({ ...wish, canDecompress: false });
        assert.equal(compressionOf(request, fileOf({ size, name }), settings), 'never');
      }),
    );
  });
});

describe('the codecs of a request', () => {
  const cases: [string, Partial<StreamFileRequest>, string[]][] = [
    ['that cannot decompress are none, whatever it lists', { acceptedCodecs: ['CODEC_GZIP'] }, []],
    ['of the plain contract are gzip', { canDecompress: true }, ['gzip']],
    [
      'are those it lists',
      { canDecompress: true, acceptedCodecs: ['CODEC_BROTLI', 'CODEC_GZIP'] },
      ['brotli', 'gzip'],
    ],
    [
      'are without what this version does not know, and without repetition',
      { canDecompress: true, acceptedCodecs: [77, 'CODEC_UNSPECIFIED', 'CODEC_BROTLI', 'CODEC_BROTLI'] },
      ['brotli'],
    ],
  ];
  for (const [what, request, codecs] of cases) {
    it(what, () => {
      assert.deepEqual(codecsOf(requestOf(request)), codecs);
    });
  }

  it('hold zstd where this runtime has it', () => {
    const codecs = codecsOf(requestOf({ canDecompress: true, acceptedCodecs: ['CODEC_ZSTD', 'CODEC_GZIP'] }));
    assert.equal(codecs.includes('zstd'), RUNTIME_CODECS.includes('zstd'));
  });

  it('without gzip make a wish for compression always a choice of the server', () => {
    const request = requestOf({
      canDecompress: true,
      acceptedCodecs: ['CODEC_BROTLI'],
      compression: 'COMPRESSION_ALWAYS',
    });
    assert.equal(compressionOf(request, fileOf(), { mode: 'auto', minSize: 0 }), 'auto');
  });
});
