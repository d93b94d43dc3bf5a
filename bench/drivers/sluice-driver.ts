/** The load of `load.ts` by sluice's client. */
import { createWriteStream, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { SluiceClient } from '../../src/client/client.ts';
import { type LoadClient, rangeOf, runLoad } from './load.ts';
import { type LoadRequest, parseRequest } from './protocol.ts';

function open(request: LoadRequest): LoadClient {
  const { target, ca, token, attempts, file, chunkBytes, stripes, verified, compression, windowBytes } =
    request;
  let size = 0;
  const client = new SluiceClient(target, {
    verify: verified,
    compression,
    ownConnection: true,
    token,
    ...(ca === undefined ? {} : { tls: { ca: readFileSync(ca) } }),
    ...(attempts === undefined ? {} : { retry: { attempts } }),
    ...(chunkBytes > 0 ? { chunkBytes } : {}),
    ...(windowBytes === undefined ? {} : { windowBytes }),
  });
  return {
    async connect() {
      size = await client.getFileSize(file);
    },
    async read(start, onBytes) {
      const range = rangeOf(request, start, size);
      const wait = paced(request.streamBytesPerSec);
      for await (const piece of client.stream(file, range)) {
        onBytes(piece.length);
        await wait?.(piece.length);
      }
    },
    async download(path, synced) {
      // A path is downloaded durably and can be resumed; a stream is written as it comes.
      const result = await client.download(file, synced ? path : createWriteStream(path), {
        connections: stripes,
      });
      return result.bytes;
    },
  };
}

/** Resolves when a stream of this rate would have had the bytes; undefined: there is no rate. */
function paced(bytesPerSec?: number): ((bytes: number) => Promise<void>) | undefined {
  if (bytesPerSec === undefined) return undefined;
  const startMs = performance.now();
  let bytes = 0;
  return async (more) => {
    bytes += more;
    const aheadMs = startMs + (bytes / bytesPerSec) * 1000 - performance.now();
    if (aheadMs > 0) await sleep(aheadMs);
  };
}

await runLoad(parseRequest<LoadRequest>(), open);
