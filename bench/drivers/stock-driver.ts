/** The load of `load.ts` by the stock client. */
import { StockClient } from '../peers/stock-client.ts';
import { type LoadClient, runLoad } from './load.ts';
import { type LoadRequest, parseRequest } from './protocol.ts';

const WISHES = {
  never: 'COMPRESSION_NEVER',
  auto: 'COMPRESSION_UNSPECIFIED',
  always: 'COMPRESSION_ALWAYS',
} as const;

function open({ target, ca, token, settings, file, chunkBytes, compression }: LoadRequest): LoadClient {
  const client = new StockClient(target, settings, { ca, token });
  const request = {
    fileName: file,
    chunkSize: chunkBytes,
    canDecompress: compression !== 'never',
    compression: WISHES[compression],
  };
  return {
    async connect() {
      await client.getFileSize(file);
    },
    async read(start, onBytes) {
      for await (const piece of client.stream({ ...request, start })) onBytes(piece.length);
    },
    async download(path, synced) {
      return client.download(request, path, synced);
    },
  };
}

await runLoad(parseRequest<LoadRequest>(), open);
