/**
 * Asks whether frames can be written straight to the HTTP/2 stream below a call
 * on this Node version with this grpc-js: over a real connection, between
 * messages that go through grpc-js.
 */
import type { ChannelOptions, Client, handleClientStreamingCall } from '@grpc/grpc-js';
import { framed } from '../../wire/upload-message.ts';
import { clientStreamOf } from '../calls/call-stream.ts';
import { clientStream, selfTest } from './self-test-server.ts';

/**
 * grpc-js keeps messages for retries, says that they are written before they
 * are, and may send them again on another stream: not with these options.
 */
export const DIRECT_WRITE_OPTIONS: ChannelOptions = {
  'grpc.enable_retries': 0,
  'grpc.per_rpc_retry_buffer_size': 0,
};

const PATH = '/sluice.SelfTest/Write';
const MESSAGE_BYTES = 40_000;

/** True when direct writes work here. Never throws; takes a few milliseconds. */
export async function directWritesWork(): Promise<boolean> {
  const handle: handleClientStreamingCall<Buffer, Buffer> = (call, respond) => {
    const received: Buffer[] = [];
    call.on('data', (message: Buffer) => received.push(message));
    call.on('end', () => respond(null, Buffer.concat(received)));
    call.on('error', () => {});
  };
  const method = { path: PATH, type: 'clientStream', handle } as const;
  return await selfTest(method, sendsInOrder, DIRECT_WRITE_OPTIONS);
}

async function sendsInOrder(client: Client): Promise<boolean> {
  const [first, straight, last] = [1, 2, 3].map((fill) => Buffer.alloc(MESSAGE_BYTES, fill)) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  const answer = await clientStream(client, PATH, (call) => {
    call.write(first, () => {
      const stream = clientStreamOf(call);
      if (stream === undefined) call.cancel();
      stream?.write(framed(straight));
      call.write(last);
      call.end();
    });
  });
  return answer.equals(Buffer.concat([first, straight, last]));
}
