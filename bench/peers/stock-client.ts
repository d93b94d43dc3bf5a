/** The client of the stock peer, as a competent developer writes it: one channel, messages in order. */
import { once } from 'node:events';
import { createReadStream, createWriteStream, readFileSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip as gunzipWithCallback } from 'node:zlib';
import grpc from '@grpc/grpc-js';
import {
  type StreamFileRequest,
  TransferService,
  type TransferServiceClient,
  type UploadFileRequest,
  type UploadFileResponse,
} from './contract.ts';
import { STOCK_SETTINGS, type StockSettings } from './stock-settings.ts';

const gunzip = promisify<Buffer, Buffer>(gunzipWithCallback);

interface Security {
  /** PEM file with the authority of the server; undefined: without TLS. */
  readonly ca?: string | undefined;
  readonly token?: string | undefined;
}

export class StockClient {
  readonly #client: TransferServiceClient;
  readonly #chunkBytes: number;

  /** Has a connection of its own, whatever other clients there are. */
  constructor(target: string, settings: StockSettings, { ca, token }: Security = {}) {
    this.#chunkBytes = STOCK_SETTINGS[settings].chunkBytes;
    const { createInsecure, createSsl } = grpc.credentials;
    const credentials = ca === undefined ? createInsecure() : createSsl(readFileSync(ca));
    this.#client = new TransferService(target, credentials, {
      ...STOCK_SETTINGS[settings].channelOptions,
      ...(token === undefined ? {} : { interceptors: [proving(token)] }),
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
    });
  }

  async getFileSize(fileName: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#client.getFileSize({ fileName }, (error, response) => {
        if (error === null) resolve(response.size);
        else reject(error);
      });
    });
  }

  /** The bytes of the file from `request.start` on, gunzipped. */
  async *stream(request: Partial<StreamFileRequest>): AsyncGenerator<Buffer> {
    const call = this.#client.streamFile(request);
    try {
      for await (const message of call) {
        yield message.compressed ? await gunzip(message.chunk) : message.chunk;
      }
    } finally {
      call.cancel();
    }
  }

  /** Writes the file to `path` and returns its size; with `synced` it is on the disk at the end. */
  async download(request: Partial<StreamFileRequest>, path: string, synced: boolean): Promise<number> {
    const target = createWriteStream(path);
    for await (const piece of this.stream(request)) {
      if (!target.write(piece)) await once(target, 'drain');
    }
    target.end();
    await once(target, 'close');
    if (synced) await syncFile(path);
    return target.bytesWritten;
  }

  /** Sends the file at `path`; `chunkBytes` of 0 means those of the settings. */
  async upload(
    path: string,
    fileName: string,
    chunkBytes: number,
    onBytes: (bytes: number) => void,
  ): Promise<void> {
    let call!: grpc.ClientWritableStream<UploadFileRequest>;
    const answered = new Promise<UploadFileResponse>((resolve, reject) => {
      call = this.#client.uploadFile((error, response) =>
        error === null ? resolve(response) : reject(error),
      );
    });
    await Promise.race([answered, this.#sendFile(call, path, fileName, chunkBytes, onBytes)]);
    const { committedSize } = await answered;
    const { size } = await stat(path);
    if (committedSize !== size) throw new Error(`${fileName} has ${committedSize} bytes of ${size}`);
  }

  async #sendFile(
    call: grpc.ClientWritableStream<UploadFileRequest>,
    path: string,
    fileName: string,
    chunkBytes: number,
    onBytes: (bytes: number) => void,
  ): Promise<void> {
    call.write({ start: { fileName, overwrite: 'OVERWRITE_ALWAYS' } });
    const source = createReadStream(path, { highWaterMark: chunkBytes > 0 ? chunkBytes : this.#chunkBytes });
    for await (const chunk of source as AsyncIterable<Buffer>) {
      if (!call.write({ chunk }, () => onBytes(chunk.length))) await once(call, 'drain');
    }
    call.end({ finish: true });
  }

  close(): void {
    this.#client.close();
  }
}

/** Sends a token with each call. */
export function proving(token: string): grpc.Interceptor {
  return (options, nextCall) =>
    new grpc.InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set('authorization', `Bearer ${token}`);
        next(metadata, listener);
      },
    });
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
