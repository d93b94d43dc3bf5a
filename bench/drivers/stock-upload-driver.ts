/**
 * The load of `upload-load.ts` by the stock client. Nothing tells it what the
 * server has: it counts what it has written to its connection.
 */
import { StockClient } from '../peers/stock-client.ts';
import { parseRequest, type UploadRequest } from './protocol.ts';
import { runUploads, type UploadClient } from './upload-load.ts';

function open({ target, settings, chunkBytes }: UploadRequest): UploadClient {
  const client = new StockClient(target, settings);
  return {
    async upload(path, name, onBytes) {
      await client.upload(path, name, chunkBytes, onBytes);
    },
  };
}

await runUploads(parseRequest<UploadRequest>(), open);
