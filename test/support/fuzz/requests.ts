/** Requests of every RPC as clients make them, with fields that mean something to a server that is fuzzed. */
import { crc32, gzipSync } from 'node:zlib';
import { methodOf } from '../peers/raw-client.ts';
import type { Random } from '../seed.ts';

/** A call: the bytes of its messages, and where it goes. */
export interface Call {
  path: string;
  messages: Uint8Array[];
}

/** What the server has, and what attackers write; nothing else there has such names. */
const NAMES = ['file', 'small', 'text', 'directory/a', 'directory', 'none', 'link', ''] as const;

const SIZES = [-1, 0, 1, 5, 1000, 65_536, 2 ** 31, '9007199254740993', '-9223372036854775808'] as const;

const CODECS = ['CODEC_UNSPECIFIED', 'CODEC_GZIP', 'CODEC_BROTLI', 'CODEC_ZSTD'] as const;

const COMPRESSIONS = ['COMPRESSION_UNSPECIFIED', 'COMPRESSION_NEVER', 'COMPRESSION_ALWAYS'] as const;

const OVERWRITES = [
  'OVERWRITE_UNSPECIFIED',
  'OVERWRITE_NEVER',
  'OVERWRITE_ALWAYS',
  'OVERWRITE_VERSION',
] as const;

type Make = (random: Random) => object;

const isTrue = (random: Random) => random.next() < 0.5;
const fileName = (random: Random) => random.pick(NAMES);
const writtenName = (random: Random) => `written/${random.between(0, 60)}`;
const uploadId = (random: Random) => random.between(0, 40).toString(16).padStart(32, '0');
const size = (random: Random) => random.pick(SIZES);

const range: Make = (random) => ({
  fileName: fileName(random),
  start: random.next() < 0.7 ? 0 : size(random),
  chunkSize: random.pick([0, 1, 100, 65_536, -1]),
  canDecompress: isTrue(random),
  ...(isTrue(random) ? { limit: random.next() < 0.7 ? random.between(0, 5000) : size(random) } : {}),
  ifMatch: random.pick(['', '', '1', 'x'.repeat(100)]),
  wantDetails: isTrue(random),
  wantChecksums: isTrue(random),
  compression: random.pick(COMPRESSIONS),
  acceptedCodecs: [random.pick(CODECS), random.pick(CODECS)],
});

const list: Make = (random) => ({
  prefix: random.pick(['', 'directory', 'written', 'none']),
  recursive: isTrue(random),
  after: Buffer.from(random.pick(['', 'a', 'directory/a'])),
});

const expected: Make = (random) => ({
  ...(isTrue(random) ? { size: random.next() < 0.7 ? random.between(0, 300) : size(random) } : {}),
  ...(random.next() < 0.2 ? { crc32: random.between(0, 2 ** 31) } : {}),
  sha256: Buffer.alloc(random.pick([0, 0, 0, 31, 32])),
});

const start: Make = (random) => ({
  fileName: writtenName(random),
  expected: expected(random),
  overwrite: random.pick(OVERWRITES),
  ifMatch: random.pick(['', '', '1']),
  uploadId: isTrue(random) ? '' : uploadId(random),
  ...(isTrue(random) ? { modifiedMs: random.pick([0, -1, 1e12, '8640000000000001']) } : {}),
  ...(isTrue(random) ? { mode: random.pick([0, 0o644, 0o7777, 2 ** 32 - 1]) } : {}),
});

const pack: Make = (random) => ({
  files: many(random, 4, () => ({
    fileName: fileName(random),
    size: random.pick([0, 5, 1000]),
    version: random.pick(['', '1']),
  })),
  start: random.next() < 0.8 ? 0 : size(random),
  chunkSize: random.pick([0, 100, 65_536]),
  wantChecksums: isTrue(random),
  compression: random.pick(COMPRESSIONS),
  acceptedCodecs: [random.pick(CODECS)],
});

const writePack: Make = (random) => {
  const files = many(random, 4, () => ({
    fileName: writtenName(random),
    size: random.between(0, 30),
    overwrite: random.pick(OVERWRITES),
  }));
  const length = files.reduce((sum, file) => sum + file.size, 0);
  return { files, ...chunkOf(random, random.next() < 0.9 ? length : length + 1, 'content') };
};

const UNARY: Readonly<Record<string, Make>> = {
  GetFileSize: (random) => ({ fileName: fileName(random) }),
  StatFile: (random) => ({ fileName: fileName(random) }),
  StreamFile: range,
  ListFiles: list,
  StartUpload: start,
  GetUploadStatus: (random) => ({
    uploadId: uploadId(random),
    fileName: random.pick(['', writtenName(random)]),
    sync: isTrue(random),
  }),
  FinishUpload: (random) => ({
    uploadId: uploadId(random),
    fileName: random.pick(['', writtenName(random)]),
    expected: expected(random),
  }),
  AbortUpload: (random) => ({ uploadId: uploadId(random) }),
  DeleteFile: (random) => ({
    fileName: writtenName(random),
    ifMatch: random.pick(['', '1']),
    directory: isTrue(random),
  }),
  MakeDirectory: (random) => ({ fileName: writtenName(random), mode: random.pick([0, 0o755, 2 ** 32 - 1]) }),
};

const EXCHANGE: readonly Make[] = [
  (random) => ({ read: range(random) }),
  (random) => ({ readPack: pack(random) }),
  (random) => ({ stat: { fileName: fileName(random) } }),
  (random) => ({ list: list(random) }),
  (random) => ({ write: writePack(random) }),
  (random) => ({ makeDirectory: { fileName: writtenName(random) } }),
  () => ({ cancel: true }),
  () => ({}),
];

const METHODS = Object.keys(UNARY);

/** A call with a single request. */
export function unaryCall(random: Random): Call {
  const method = random.pick(METHODS);
  const make = UNARY[method] as Make;
  return { path: pathOf(method), messages: [serialized(method, make(random))] };
}

/** An upload: begun, some chunks, mostly in order, and perhaps an end. */
export function uploadCall(random: Random): Call {
  const messages: Uint8Array[] = [];
  const count = random.between(1, 5);
  let offset = 0;
  for (let index = 0; index < count; index += 1) {
    const length = random.between(0, 200);
    const how = index > 0 ? {} : isTrue(random) ? { start: start(random) } : { uploadId: uploadId(random) };
    const isLast = index === count - 1;
    messages.push(
      serialized('UploadFile', {
        ...how,
        ...chunkOf(random, length, 'chunk'),
        ...(random.next() < 0.9 ? { offset } : { offset: size(random) }),
        ...(isLast && isTrue(random) ? { finish: true, expected: expected(random) } : {}),
      }),
    );
    offset += length;
  }
  return { path: pathOf('UploadFile'), messages };
}

/** An Exchange whose messages come in any order, with any ids. */
export function exchangeCall(random: Random): Call {
  let id = 0;
  const isHostile = random.next() < 0.3;
  const messages = many(random, 30, () => {
    if (random.next() < 0.7) id += 1;
    return serialized('Exchange', {
      id: isHostile ? random.pick([id, 0, id - 1, id + 7, 2 ** 32 - 1]) : id,
      credit: random.pick([0, 1, 100, 1_000_000, ...(isHostile ? SIZES : [])]),
      ...random.pick(EXCHANGE)(random),
    });
  });
  return { path: pathOf('Exchange'), messages };
}

/** A call of the services beside ours: health and reflection. */
export function standardCall(random: Random): Call {
  const text = Buffer.from(random.pick(['', 'sluice.v1.TransferService', 'none']));
  const path = random.pick([
    '/grpc.health.v1.Health/Check',
    '/grpc.health.v1.Health/List',
    '/grpc.health.v1.Health/Watch',
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
    '/none/None',
  ]);
  const field = path.includes('health') ? 1 : random.between(1, 7);
  return { path, messages: [Buffer.concat([Buffer.of(field * 8 + 2, text.length), text])] };
}

function chunkOf(random: Random, length: number, field: 'chunk' | 'content'): object {
  const raw = Buffer.alloc(length, 'sluice ');
  const crc = random.next() < 0.9 ? crc32(raw) : 1;
  const codec = random.pick(CODECS);
  if (random.next() < 0.7) return { [field]: raw, crc32: crc };
  return { [field]: gzipSync(raw, { level: 1 }), compressed: true, rawSize: length, crc32: crc, codec };
}

function many<Item>(random: Random, most: number, make: () => Item): Item[] {
  return Array.from({ length: random.between(1, most) }, make);
}

function pathOf(method: string): string {
  return `/sluice.v1.TransferService/${method}`;
}

function serialized(method: string, request: object): Uint8Array {
  return methodOf(method).requestSerialize(request);
}
