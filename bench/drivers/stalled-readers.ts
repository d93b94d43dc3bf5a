/**
 * Many readers that take the first message of a stream and then no more, on
 * raw grpc-js, the same for every server. Holds the calls until it is killed.
 */
import grpc from '@grpc/grpc-js';
import { TransferService } from '../peers/contract.ts';
import { answer, parseRequest, type StalledReadersRequest } from './protocol.ts';

const CONNECTIONS = 8;

/**
 * Passes the first request for a message on and drops all others, so that
 * nothing is read ahead into this process and the stall reaches the server.
 */
class FirstMessageOnly extends grpc.InterceptingCall {
  #reads = 0;

  override startRead(): void {
    this.#reads += 1;
    if (this.#reads === 1) super.startRead();
  }
}

const stopAfterFirst: grpc.Interceptor = (options, nextCall) => new FirstMessageOnly(nextCall(options));

const { target, file, readers, chunkBytes } = parseRequest<StalledReadersRequest>();
const clients = Array.from(
  { length: CONNECTIONS },
  () =>
    new TransferService(target, grpc.credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.max_receive_message_length': -1,
    }),
);

async function stall(reader: number): Promise<void> {
  const client = clients[reader % CONNECTIONS] as (typeof clients)[number];
  const call = client.streamFile(
    { fileName: file, chunkSize: chunkBytes },
    { interceptors: [stopAfterFirst] },
  );
  await new Promise((resolve, reject) => {
    call.once('error', reject);
    call.once('data', resolve);
  });
  call.removeAllListeners('error');
  call.on('error', () => {});
}

await Promise.all(Array.from({ length: readers }, (_, reader) => stall(reader)));
answer({ event: 'stalled' });
