/**
 * The stock peer: the plain contract served with grpc-js, proto-loader,
 * createReadStream and async gzip, as a competent developer writes it.
 *
 *     node stock-server.js DIRECTORY default|tuned|large-heap [CERTIFICATE KEY]
 */
import { once } from 'node:events';
import { createReadStream, createWriteStream, readFileSync, type WriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { gzip as gzipWithCallback, type ZlibOptions } from 'node:zlib';
import grpc from '@grpc/grpc-js';
import compressible from 'compressible';
import mime from 'mime-types';
import { MIB } from '../../src/base/units.ts';
import {
  type GetFileSizeRequest,
  type GetFileSizeResponse,
  type StreamFileRequest,
  type StreamFileResponse,
  TransferService,
  type UploadFileRequest,
  type UploadFileResponse,
} from './contract.ts';
import { parseStockSettings, STOCK_SETTINGS } from './stock-settings.ts';

type SizeCall = grpc.ServerUnaryCall<GetFileSizeRequest, GetFileSizeResponse>;
type SizeCallback = grpc.sendUnaryData<GetFileSizeResponse>;
type StreamCall = grpc.ServerWritableStream<StreamFileRequest, StreamFileResponse>;
type UploadCall = grpc.ServerReadableStream<UploadFileRequest, UploadFileResponse>;
type UploadCallback = grpc.sendUnaryData<UploadFileResponse>;

const gzip = promisify<Buffer, ZlibOptions, Buffer>(gzipWithCallback);

const MAX_CHUNK_BYTES = 16 * MIB;

const root = process.argv[2] ?? '.';
const settings = STOCK_SETTINGS[parseStockSettings(process.argv[3])];

class StatusError extends Error {
  readonly code: grpc.status;

  constructor(code: grpc.status, message: string) {
    super(message);
    this.code = code;
  }
}

function resolveName(name: string): string {
  const path = join(root, name);
  if (relative(root, path).startsWith('..')) throw new StatusError(grpc.status.INVALID_ARGUMENT, 'bad name');
  return path;
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    throw new StatusError(grpc.status.NOT_FOUND, 'no such file');
  }
}

function toStatus(error: unknown): Partial<grpc.StatusObject> {
  if (error instanceof StatusError) return { code: error.code, details: error.message };
  return { code: grpc.status.INTERNAL, details: String(error) };
}

async function answerFileSize(call: SizeCall, callback: SizeCallback): Promise<void> {
  try {
    callback(null, { size: await sizeOf(resolveName(call.request.fileName)) });
  } catch (error) {
    callback(toStatus(error));
  }
}

async function sendFile(call: StreamCall): Promise<void> {
  const cancelled = new AbortController();
  call.once('cancelled', () => cancelled.abort());
  try {
    const { fileName, start, chunkSize, canDecompress } = call.request;
    const path = resolveName(fileName);
    if (start > (await sizeOf(path)))
      throw new StatusError(grpc.status.OUT_OF_RANGE, 'start is beyond the end');
    const compressed = canDecompress && compressible(mime.lookup(path) || '') === true;
    const highWaterMark = chunkSize > 0 ? Math.min(chunkSize, MAX_CHUNK_BYTES) : settings.chunkBytes;
    const source = createReadStream(path, { start, highWaterMark, signal: cancelled.signal });
    for await (const piece of source) {
      const chunk = compressed ? await gzip(piece, { level: settings.gzipLevel }) : piece;
      if (!call.write({ chunk, compressed })) await once(call, 'drain', { signal: cancelled.signal });
    }
    call.end();
  } catch (error) {
    if (!cancelled.signal.aborted) call.emit('error', toStatus(error));
  }
}

/** Writes what comes to the file, without checks; what is there at the end is the file. */
async function receiveFile(call: UploadCall, callback: UploadCallback): Promise<void> {
  let target: WriteStream | undefined;
  try {
    for await (const { start, chunk, finish } of call as AsyncIterable<UploadFileRequest>) {
      if (start)
        target = createWriteStream(resolveName(start.fileName), { highWaterMark: settings.writeBufferBytes });
      if (target === undefined)
        throw new StatusError(grpc.status.INVALID_ARGUMENT, 'the first message has no start');
      if (chunk?.length && !target.write(chunk)) await once(target, 'drain');
      if (!finish) continue;
      target.end();
      await once(target, 'close');
      callback(null, { committedSize: target.bytesWritten });
      return;
    }
    throw new StatusError(grpc.status.CANCELLED, 'the upload ended without finish');
  } catch (error) {
    target?.destroy();
    callback(toStatus(error));
  }
}

function credentialsOf(cert: string | undefined, key: string | undefined): grpc.ServerCredentials {
  if (cert === undefined || key === undefined) return grpc.ServerCredentials.createInsecure();
  const pair = { cert_chain: readFileSync(cert), private_key: readFileSync(key) };
  return grpc.ServerCredentials.createSsl(null, [pair]);
}

const server = new grpc.Server(settings.serverOptions);
server.addService(TransferService.service, {
  getFileSize(call: SizeCall, callback: SizeCallback) {
    void answerFileSize(call, callback);
  },
  streamFile(call: StreamCall) {
    void sendFile(call);
  },
  uploadFile(call: UploadCall, callback: UploadCallback) {
    void receiveFile(call, callback);
  },
});
server.bindAsync('127.0.0.1:0', credentialsOf(process.argv[4], process.argv[5]), (error, port) => {
  if (error !== null) throw error;
  console.log(`stock is ready on 127.0.0.1:${port}`);
});
