/**
 * Asks for a file's size as often as the server answers, on one connection of
 * bare node:http2: it costs a fraction of what the server spends, so that the
 * server is what is measured.
 */
import { once } from 'node:events';
import { connect } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCpuSeconds, readLoopSeconds } from '../harness/proc.ts';
import { bareSizeCall } from '../peers/bare-call.ts';
import { answer, parseRequest, type UnaryLoadRequest } from './protocol.ts';

const { target, token, serverPid, file, inFlight, warmUpSeconds, seconds } = parseRequest<UnaryLoadRequest>();
const session = connect(`http://${target}`);
await once(session, 'connect');

const ask = bareSizeCall(file, token);

let calls = 0;

async function askAgainAndAgain(): Promise<never> {
  for (;;) {
    await ask(session);
    calls += 1;
  }
}

const asking = Promise.all(Array.from({ length: inFlight }, () => askAgainAndAgain()));
await Promise.race([asking, sleep(warmUpSeconds * 1000)]);
const before = {
  calls,
  cpu: readCpuSeconds(serverPid),
  loop: readLoopSeconds(serverPid),
  ms: performance.now(),
};
await Promise.race([asking, sleep(seconds * 1000)]);
answer({
  event: 'report',
  calls: calls - before.calls,
  seconds: (performance.now() - before.ms) / 1000,
  serverCpuSeconds: readCpuSeconds(serverPid) - before.cpu,
  serverLoopSeconds: readLoopSeconds(serverPid) - before.loop,
});
process.exit(0);
