/** The load of `upload-load.ts` by sluice's client. As the stock client does, it counts what it has handed to its connection. */
import { readFileSync } from 'node:fs';
import { SluiceClient } from '../../src/client/client.ts';
import { parseRequest, type UploadRequest } from './protocol.ts';
import { runUploads, type UploadClient } from './upload-load.ts';

interface Uploader {
  upload(
    path: string,
    name: string,
    options: {
      overwrite: boolean;
      connections?: number;
      resumable: boolean;
      onProgress: (progress: { sentBytes: number }) => void;
    },
  ): Promise<{ bytes: number }>;
}

function open({
  target,
  ca,
  chunkBytes,
  compression,
  connections = 1,
  verified,
}: UploadRequest): UploadClient {
  const client = new SluiceClient(target, {
    verify: verified,
    compression,
    ownConnection: true,
    ...(ca === undefined ? {} : { tls: { ca: readFileSync(ca) } }),
    ...(chunkBytes > 0 ? { chunkBytes } : {}),
  }) as unknown as Uploader;
  return {
    async upload(path, name, onBytes) {
      let counted = 0;
      const count = (bytes: number) => {
        // Falls back when bytes have to be sent again: those do not count twice.
        if (bytes <= counted) return;
        onBytes(bytes - counted);
        counted = bytes;
      };
      const result = await client.upload(path, name, {
        overwrite: true,
        ...(connections > 0 ? { connections } : {}),
        resumable: false,
        onProgress: ({ sentBytes }) => count(sentBytes),
      });
      count(result.bytes);
    },
  };
}

await runUploads(parseRequest<UploadRequest>(), open);
