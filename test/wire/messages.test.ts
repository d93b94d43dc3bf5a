import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type * as admin from '../../src/wire/admin-messages.ts';
import type * as messages from '../../src/wire/messages.ts';
import { packageDefinition, transferService } from '../../src/wire/service.ts';

/** The compiler accepts exactly the fields of the interface here: none missing, none more. */
type FieldsOf<Message> = Record<keyof Message, true>;

const FIELDS_IN_CODE: {
  GetFileSizeRequest: FieldsOf<messages.GetFileSizeRequest>;
  GetFileSizeResponse: FieldsOf<messages.GetFileSizeResponse>;
  StreamFileRequest: FieldsOf<messages.StreamFileRequest>;
  StreamFileResponse: FieldsOf<messages.StreamFileResponse>;
  RangeSummary: FieldsOf<messages.RangeSummary>;
  FileInfo: FieldsOf<messages.FileInfo>;
  StatFileRequest: FieldsOf<messages.StatFileRequest>;
  StatFileResponse: FieldsOf<messages.StatFileResponse>;
  ListFilesRequest: FieldsOf<messages.ListFilesRequest>;
  ListFilesResponse: FieldsOf<messages.ListFilesResponse>;
  OmittedEntry: FieldsOf<messages.OmittedEntry>;
  ListEntry: FieldsOf<messages.ListEntry>;
  Expected: FieldsOf<messages.Expected>;
  StartUploadRequest: FieldsOf<messages.StartUploadRequest>;
  StartUploadResponse: FieldsOf<messages.StartUploadResponse>;
  UploadFileRequest: FieldsOf<messages.UploadFileRequest>;
  UploadFileResponse: FieldsOf<messages.UploadFileResponse>;
  GetUploadStatusRequest: FieldsOf<messages.GetUploadStatusRequest>;
  Part: FieldsOf<messages.Part>;
  GetUploadStatusResponse: FieldsOf<messages.GetUploadStatusResponse>;
  FinishUploadRequest: FieldsOf<messages.FinishUploadRequest>;
  FinishUploadResponse: FieldsOf<messages.FinishUploadResponse>;
  AbortUploadRequest: FieldsOf<messages.AbortUploadRequest>;
  AbortUploadResponse: FieldsOf<messages.AbortUploadResponse>;
  DeleteFileRequest: FieldsOf<messages.DeleteFileRequest>;
  DeleteFileResponse: FieldsOf<messages.DeleteFileResponse>;
  MakeDirectoryRequest: FieldsOf<messages.MakeDirectoryRequest>;
  MakeDirectoryResponse: FieldsOf<messages.MakeDirectoryResponse>;
  ExchangeRequest: FieldsOf<messages.ExchangeRequest>;
  ExchangeResponse: FieldsOf<messages.ExchangeResponse>;
  ExchangeEnd: FieldsOf<messages.ExchangeEnd>;
  Failure: FieldsOf<messages.Failure>;
  ExchangeLimits: FieldsOf<messages.ExchangeLimits>;
  ReadPackRequest: FieldsOf<messages.ReadPackRequest>;
  PackedFile: FieldsOf<messages.PackedFile>;
  WritePackRequest: FieldsOf<messages.WritePackRequest>;
  WrittenFile: FieldsOf<messages.WrittenFile>;
  WritePackResponse: FieldsOf<messages.WritePackResponse>;
  WriteResult: FieldsOf<messages.WriteResult>;
  WatchRequest: FieldsOf<admin.WatchRequest>;
  WatchResponse: FieldsOf<admin.WatchResponse>;
  ServerState: FieldsOf<admin.ServerState>;
  Totals: FieldsOf<admin.Totals>;
  Transfer: FieldsOf<admin.Transfer>;
  Slabs: FieldsOf<admin.Slabs>;
  Pool: FieldsOf<admin.Pool>;
  EventLoop: FieldsOf<admin.EventLoop>;
  Memory: FieldsOf<admin.Memory>;
  Places: FieldsOf<admin.Places>;
  IdentityUse: FieldsOf<admin.IdentityUse>;
  OpenUpload: FieldsOf<admin.OpenUpload>;
  Event: FieldsOf<admin.Event>;
  GetHistoryRequest: FieldsOf<admin.GetHistoryRequest>;
  GetHistoryResponse: FieldsOf<admin.GetHistoryResponse>;
  HistoryPoint: FieldsOf<admin.HistoryPoint>;
  GetConfigRequest: FieldsOf<admin.GetConfigRequest>;
  GetConfigResponse: FieldsOf<admin.GetConfigResponse>;
  Setting: FieldsOf<admin.Setting>;
  CancelTransferRequest: FieldsOf<admin.CancelTransferRequest>;
  CancelTransferResponse: FieldsOf<admin.CancelTransferResponse>;
  DiscardUploadRequest: FieldsOf<admin.DiscardUploadRequest>;
  DiscardUploadResponse: FieldsOf<admin.DiscardUploadResponse>;
} = {
  GetFileSizeRequest: { fileName: true },
  GetFileSizeResponse: { size: true, version: true },
  StreamFileRequest: {
    start: true,
    chunkSize: true,
    fileName: true,
    canDecompress: true,
    limit: true,
    ifMatch: true,
    wantDetails: true,
    wantChecksums: true,
    compression: true,
    acceptedCodecs: true,
    keepAliveMs: true,
  },
  StreamFileResponse: {
    chunk: true,
    compressed: true,
    offset: true,
    rawSize: true,
    crc32: true,
    file: true,
    summary: true,
    codec: true,
  },
  RangeSummary: { offset: true, size: true, crc32: true },
  FileInfo: {
    name: true,
    size: true,
    version: true,
    modifiedMs: true,
    contentType: true,
    mode: true,
    digest: true,
  },
  StatFileRequest: { fileName: true, digest: true },
  StatFileResponse: { file: true },
  ListFilesRequest: { prefix: true, recursive: true, after: true, keepAliveMs: true },
  ListFilesResponse: { entries: true, omitted: true, position: true },
  OmittedEntry: { shownName: true, reason: true },
  ListEntry: { name: true, isDirectory: true, size: true, modifiedMs: true, version: true, mode: true },
  Expected: { size: true, crc32: true, sha256: true },
  StartUploadRequest: {
    fileName: true,
    expected: true,
    overwrite: true,
    ifMatch: true,
    uploadId: true,
    modifiedMs: true,
    mode: true,
  },
  StartUploadResponse: {
    uploadId: true,
    maxChunkSize: true,
    expiresMs: true,
    acceptedCodecs: true,
    takesPings: true,
    maxStreams: true,
  },
  UploadFileRequest: {
    chunk: true,
    compressed: true,
    offset: true,
    rawSize: true,
    crc32: true,
    uploadId: true,
    start: true,
    finish: true,
    expected: true,
    codec: true,
  },
  UploadFileResponse: { uploadId: true, committedSize: true, file: true },
  GetUploadStatusRequest: { uploadId: true, fileName: true, sync: true },
  Part: { start: true, end: true },
  GetUploadStatusResponse: {
    fileName: true,
    committedSize: true,
    parts: true,
    expectedSize: true,
    complete: true,
    file: true,
    expiresMs: true,
    acceptedCodecs: true,
    maxChunkSize: true,
    takesPings: true,
    maxStreams: true,
  },
  FinishUploadRequest: { uploadId: true, fileName: true, expected: true },
  FinishUploadResponse: { file: true },
  AbortUploadRequest: { uploadId: true },
  AbortUploadResponse: {},
  DeleteFileRequest: { fileName: true, ifMatch: true, directory: true },
  DeleteFileResponse: {},
  MakeDirectoryRequest: { fileName: true, mode: true },
  MakeDirectoryResponse: {},
  ExchangeRequest: {
    id: true,
    credit: true,
    read: true,
    readPack: true,
    stat: true,
    list: true,
    write: true,
    makeDirectory: true,
    cancel: true,
    keepAliveMs: true,
    traceparent: true,
    tracestate: true,
  },
  ExchangeResponse: {
    id: true,
    data: true,
    info: true,
    entries: true,
    written: true,
    end: true,
    limits: true,
  },
  ExchangeEnd: { failure: true },
  Failure: { code: true, message: true, sluiceCode: true, version: true },
  ExchangeLimits: {
    maxRequests: true,
    maxCredit: true,
    maxPackFiles: true,
    maxPackSize: true,
    takesPings: true,
    acceptedCodecs: true,
  },
  ReadPackRequest: {
    files: true,
    start: true,
    chunkSize: true,
    wantChecksums: true,
    compression: true,
    acceptedCodecs: true,
  },
  PackedFile: { fileName: true, size: true, version: true },
  WritePackRequest: { files: true, content: true, compressed: true, rawSize: true, crc32: true, codec: true },
  WrittenFile: { fileName: true, size: true, overwrite: true, ifMatch: true, modifiedMs: true, mode: true },
  WritePackResponse: { results: true },
  WriteResult: { version: true, failure: true },
  WatchRequest: { intervalMs: true, maxTransfers: true, maxUploads: true },
  WatchResponse: {
    timeMs: true,
    server: true,
    totals: true,
    transfers: true,
    slabs: true,
    pool: true,
    eventLoop: true,
    memory: true,
    places: true,
    topIdentities: true,
    uploads: true,
    events: true,
  },
  ServerState: {
    version: true,
    runtime: true,
    address: true,
    startedMs: true,
    phase: true,
    writable: true,
    tls: true,
  },
  Totals: {
    transfers: true,
    uploads: true,
    sentRawBytes: true,
    sentWireBytes: true,
    receivedRawBytes: true,
    receivedWireBytes: true,
    sentRawBytesPerSec: true,
    sentWireBytesPerSec: true,
    receivedRawBytesPerSec: true,
    receivedWireBytesPerSec: true,
    calls: true,
    errors: true,
    refusals: true,
    stalls: true,
    evictions: true,
    callsPerSec: true,
  },
  Transfer: {
    id: true,
    who: true,
    peer: true,
    method: true,
    name: true,
    direction: true,
    startedMs: true,
    start: true,
    size: true,
    movedBytes: true,
    wireBytes: true,
    rawBytesPerSec: true,
    wireBytesPerSec: true,
    coding: true,
    windowBytes: true,
    inFlightBytes: true,
    roundTripMs: true,
    slowBecause: true,
    openRequests: true,
    uploadId: true,
    codingReason: true,
  },
  Slabs: { count: true, slabBytes: true, free: true, leased: true, sending: true, quarantined: true },
  Pool: {
    threads: true,
    jobsOutstanding: true,
    jobsWaiting: true,
    utilization: true,
    jobsPerSec: true,
    jobMs: true,
    storageMs: true,
    deaths: true,
  },
  EventLoop: { p50Ms: true, p99Ms: true, maxMs: true, utilization: true },
  Memory: {
    rssBytes: true,
    heapUsedBytes: true,
    heapTotalBytes: true,
    externalBytes: true,
    boundBytes: true,
    windowBytes: true,
  },
  Places: { kind: true, taken: true, limit: true, refusals: true, evictions: true },
  IdentityUse: { who: true, transfers: true, rawBytesPerSec: true, wireBytesPerSec: true },
  OpenUpload: {
    id: true,
    name: true,
    owner: true,
    startedMs: true,
    touchedMs: true,
    receivedBytes: true,
    committedBytes: true,
    expectedSize: true,
    expiresMs: true,
    busy: true,
  },
  Event: {
    sequence: true,
    timeMs: true,
    method: true,
    who: true,
    peer: true,
    name: true,
    code: true,
    message: true,
    requestId: true,
  },
  GetHistoryRequest: { afterMs: true },
  GetHistoryResponse: { points: true, intervalMs: true },
  HistoryPoint: {
    timeMs: true,
    sentWireBytesPerSec: true,
    receivedWireBytesPerSec: true,
    callsPerSec: true,
    errorsPerSec: true,
    refusalsPerSec: true,
    eventLoopP50Ms: true,
    eventLoopP99Ms: true,
    poolUtilization: true,
    transfers: true,
    slabsInUse: true,
    connections: true,
    rssBytes: true,
  },
  GetConfigRequest: {},
  GetConfigResponse: { settings: true },
  Setting: { key: true, value: true, isDefault: true },
  CancelTransferRequest: { id: true },
  CancelTransferResponse: { cancelled: true },
  DiscardUploadRequest: { uploadId: true },
  DiscardUploadResponse: {},
};

const VALUES_IN_CODE: {
  Compression: Record<messages.CompressionWish, true>;
  Codec: Record<messages.Codec, true>;
  Overwrite: Record<messages.OverwriteWish, true>;
  Omission: Record<messages.OmissionReason, true>;
  Phase: Record<admin.Phase, true>;
  Direction: Record<admin.Direction, true>;
  Bottleneck: Record<admin.Bottleneck, true>;
} = {
  Compression: { COMPRESSION_UNSPECIFIED: true, COMPRESSION_NEVER: true, COMPRESSION_ALWAYS: true },
  Codec: { CODEC_UNSPECIFIED: true, CODEC_GZIP: true, CODEC_BROTLI: true, CODEC_ZSTD: true },
  Overwrite: {
    OVERWRITE_UNSPECIFIED: true,
    OVERWRITE_NEVER: true,
    OVERWRITE_ALWAYS: true,
    OVERWRITE_VERSION: true,
  },
  Omission: {
    OMISSION_UNSPECIFIED: true,
    OMISSION_UNREADABLE: true,
    OMISSION_SYMBOLIC_LINK: true,
    OMISSION_SPECIAL_FILE: true,
    OMISSION_BAD_NAME: true,
    OMISSION_TOO_DEEP: true,
    OMISSION_OTHER_FILE_SYSTEM: true,
  },
  Phase: { PHASE_UNSPECIFIED: true, PHASE_SERVING: true, PHASE_DRAINING: true },
  Direction: { DIRECTION_UNSPECIFIED: true, DIRECTION_DOWNLOAD: true, DIRECTION_UPLOAD: true },
  Bottleneck: {
    BOTTLENECK_UNSPECIFIED: true,
    BOTTLENECK_NONE: true,
    BOTTLENECK_PEER: true,
    BOTTLENECK_LINK: true,
    BOTTLENECK_DISK: true,
    BOTTLENECK_WORKERS: true,
    BOTTLENECK_CREDIT: true,
  },
};

interface Declared {
  format: string;
  type: { field?: { name: string }[]; value?: { name: string }[] };
}

function declared(format: string): [string, Declared][] {
  return Object.entries(packageDefinition)
    .map(([name, definition]): [string, Declared] => [
      name.replace('sluice.v1.', ''),
      definition as unknown as Declared,
    ])
    .filter(([, definition]) => definition.format === `Protocol Buffer 3 ${format}`);
}

describe('the messages in code', () => {
  it('are those of the proto file, with the same fields', () => {
    const inProto = declared('DescriptorProto').map(([name, { type }]) => [
      name,
      type.field?.map((field) => field.name),
    ]);
    const inCode = Object.entries(FIELDS_IN_CODE).map(([name, fields]) => [name, Object.keys(fields)]);
    assert.deepEqual(sortedDeep(inCode), sortedDeep(inProto));
  });

  it('have the enum values of the proto file', () => {
    const inProto = declared('EnumDescriptorProto').map(([name, { type }]) => [
      name,
      type.value?.map((value) => value.name),
    ]);
    const inCode = Object.entries(VALUES_IN_CODE).map(([name, values]) => [name, Object.keys(values)]);
    assert.deepEqual(sortedDeep(inCode), sortedDeep(inProto));
  });
});

describe('a decoded StreamFileRequest', () => {
  function decoded(fields: object): messages.StreamFileRequest {
    const method = transferService.StreamFile;
    assert.ok(method);
    return method.requestDeserialize(
      method.requestSerialize(fields),
    ) as unknown as messages.StreamFileRequest;
  }

  it('has a value for every field but an absent limit', () => {
    const { limit, ...others } = decoded({});
    assert.equal(limit, undefined);
    assert.deepEqual(others, {
      start: 0,
      chunkSize: 0,
      fileName: '',
      canDecompress: false,
      ifMatch: '',
      wantDetails: false,
      wantChecksums: false,
      compression: 'COMPRESSION_UNSPECIFIED',
      acceptedCodecs: [],
      keepAliveMs: 0,
    });
  });

  it('tells a limit of 0 from an absent one', () => {
    assert.equal(decoded({ limit: 0 }).limit, 0);
  });

  it('has 64-bit fields as numbers', () => {
    assert.equal(decoded({ start: Number.MAX_SAFE_INTEGER }).start, Number.MAX_SAFE_INTEGER);
    assert.equal(decoded({ start: -1 }).start, -1);
  });

  it('has enum values that this version does not know as numbers', () => {
    const { compression, acceptedCodecs } = decoded({ compression: 77, acceptedCodecs: [1, 99] });
    assert.equal(compression, 77);
    assert.deepEqual(acceptedCodecs, ['CODEC_GZIP', 99]);
  });
});

/** Each list in it sorted, the outer one by its first elements. */
function sortedDeep(pairs: unknown[][]): unknown[][] {
  return pairs
    .map(([name, names]) => [name, (names as string[]).toSorted()])
    .toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
}
