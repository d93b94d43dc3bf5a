/**
 * The load of `load.ts` by one session of sluice's client: every read is a
 * request on one stream, also beside requests that have no credit.
 */
import { SluiceClient } from '../../src/client/client.ts';
import { requestOf } from '../../src/client/download/options.ts';
import { Position } from '../../src/client/download/position.ts';
import { streamRequest } from '../../src/client/download/stream-request.ts';
import { type RequestFields, type RequestHost, SessionRequest } from '../../src/client/exchange/request.ts';
import { type LoadClient, rangeOf, runLoad } from './load.ts';
import { type LoadRequest, parseRequest } from './protocol.ts';

/** Open, and without credit for as long as the stream is there. */
class WaitingRequest extends SessionRequest {
  readonly #begun: () => void;

  constructor(host: RequestHost, name: string, begun: () => void) {
    super(host, 'read', name, undefined);
    this.#begun = begun;
  }

  override get isHeldUp(): boolean {
    return true;
  }

  override begin(): RequestFields {
    this.#begun();
    const { chunkBytes, options } = this.host;
    const position = new Position(requestOf(this.name, {}));
    return { credit: 0, read: streamRequest({ options, position, chunkBytes }) };
  }

  override receive(): void {
    throw new Error('an answer came to a request without credit');
  }

  override end(): void {
    throw new Error('a request without credit ended');
  }

  override settled(error: Error | undefined): void {
    if (error !== undefined) throw error;
  }
}

function openSession(request: LoadRequest): LoadClient {
  const { chunkBytes, compression, file, target, verified, waitingRequests = 0 } = request;
  const client = new SluiceClient(target, {
    verify: verified,
    compression,
    ownConnection: true,
    ...(chunkBytes > 0 ? { chunkBytes } : {}),
  });
  const session = client.session();
  let size = 0;
  return {
    async connect() {
      ({ size } = await session.stat(file));
      await Promise.all(
        Array.from({ length: waitingRequests }, () => {
          return new Promise<void>((begun) =>
            session.host.submit(new WaitingRequest(session.host, file, begun)),
          );
        }),
      );
    },
    async read(start, onBytes) {
      const range = rangeOf(request, start, size);
      for await (const piece of session.read(file, range)) onBytes(piece.length);
    },
    download() {
      return Promise.reject(new Error('a session writes no files'));
    },
  };
}

await runLoad({ ...parseRequest<LoadRequest>(), connections: 1 }, openSession);
