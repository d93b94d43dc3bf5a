/**
 * Asks for a file's size as often as the server answers, on one connection of
 * bare node:http2: it costs a fraction of what the server spends, so that the
 * server is what is measured.
 */
import { once } from 'node:events';
import { connect, type OutgoingHttpHeaders } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCpuSeconds } from '../harness/proc.ts';
import { TransferService } from '../peers/contract.ts';
import { answer, parseRequest, type UnaryLoadRequest } from './protocol.ts';

const { target, token, serverPid, file, inFlight, warmUpSeconds, seconds } = parseRequest<UnaryLoadRequest>();
const session = connect(`http://${target}`);
await once(session, 'connect');

const { path, requestSerialize } = TransferService.service.GetFileSize as NonNullable<
  (typeof TransferService.service)[string]
>;
const message = requestSerialize({ fileName: file });
const body = Buffer.alloc(5 + message.length);
body.writeUInt32BE(message.length, 1);
body.set(message, 5);
const headers: OutgoingHttpHeaders = {
  ':method': 'POST',
  ':path': path,
  te: 'trailers',
  'content-type': 'application/grpc',
  ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
};

let calls = 0;

async function ask(): Promise<void> {
  const stream = session.request(headers);
  let status: unknown;
  stream.on('response', (answered) => (status ??= answered['grpc-status']));
  stream.on('trailers', (trailers) => (status ??= trailers['grpc-status']));
  stream.end(body).resume();
  await once(stream, 'close');
  if (status !== '0') throw new Error(`a call ended with status ${String(status)}`);
  calls += 1;
}

async function askAgainAndAgain(): Promise<never> {
  for (;;) await ask();
}

const asking = Promise.all(Array.from({ length: inFlight }, () => askAgainAndAgain()));
await Promise.race([asking, sleep(warmUpSeconds * 1000)]);
const before = { calls, cpu: readCpuSeconds(serverPid), ms: performance.now() };
await Promise.race([asking, sleep(seconds * 1000)]);
answer({
  event: 'report',
  calls: calls - before.calls,
  seconds: (performance.now() - before.ms) / 1000,
  serverCpuSeconds: readCpuSeconds(serverPid) - before.cpu,
});
process.exit(0);
