/** A client of several servers: which of them it asks, and how it knows them. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import type { SluiceClient } from '../../../src/client/client.ts';
import { withoutOpenssl as skip } from '../../support/peers/certificates.ts';
import { startChild } from '../../support/start-child.ts';
import { startServer } from '../../support/test-server.ts';
import { within } from '../../support/until.ts';
import { clientOf, failureOf } from '../fixtures.ts';
import { startNameServer } from './name-server.ts';
import { certificateFor, NumberedServer, type NumberedServerOptions } from './numbered-server.ts';

const UPLOADING_CLIENT = fileURLToPath(new URL('./uploading-client.js', import.meta.url));
const UNCLOSED_CLIENT = fileURLToPath(new URL('./unclosed-client.js', import.meta.url));

/** grpc-js asks another name server than the system's only then. */
const ASKING_ITS_NAME_SERVER = { ...process.env, GRPC_NODE_USE_ALTERNATIVE_RESOLVER: 'true' };

async function twoServers(
  t: TestContext,
  options: NumberedServerOptions = {},
): Promise<[NumberedServer, NumberedServer, list: string]> {
  const [one, two] = await Promise.all([1, 2].map((number) => NumberedServer.start(t, number, options)));
  if (one === undefined || two === undefined) throw new Error('no servers');
  return [one, two, `${one.address},${two.address}`];
}

/** Asks until the answers of `count` calls in a row are `expected`; fails after a while. */
async function answersBecome(client: SluiceClient, expected: ReadonlySet<number>): Promise<void> {
  const asked = async () =>
    new Set(await Promise.all(Array.from({ length: 8 }, () => client.getFileSize('a'))));
  const deadline = Date.now() + 10_000;
  let answers = await asked();
  while (answers.size !== expected.size || ![...answers].every((answer) => expected.has(answer))) {
    assert.ok(Date.now() < deadline, `servers ${[...answers].join()} answer, not ${[...expected].join()}`);
    answers = await asked();
  }
}

const BOTH = new Set([1, 2]);

test('spreads calls over the servers of a list', async (t) => {
  const [, , list] = await twoServers(t);
  await answersBecome(clientOf(t, list), BOTH);
});

test('spreads calls over the servers of an array', async (t) => {
  const [one, two] = await twoServers(t);
  const client = clientOf(t, [one.address, two.address]);
  await answersBecome(client, BOTH);
});

test('goes on with the servers that are left, and takes back one that has returned', async (t) => {
  const [one, two, list] = await twoServers(t);
  const client = clientOf(t, list);
  await answersBecome(client, BOTH);
  two.kill();
  await answersBecome(client, new Set([1]));
  await NumberedServer.start(t, 2, { port: two.port });
  await answersBecome(client, BOTH);
  one.kill();
  await answersBecome(client, new Set([2]));
});

test('does not need all servers to begin with, nor all names to resolve', async (t) => {
  const [one, two] = await twoServers(t);
  two.kill();
  const client = clientOf(t, `${two.address},does-not-exist.invalid:1,${one.address}`, { insecure: true });
  assert.equal(await client.getFileSize('a'), 1);
});

test('names the list and the reason when no server can be reached', async (t) => {
  const [one, two, list] = await twoServers(t);
  one.kill();
  two.kill();
  const failure = await failureOf(clientOf(t, list).getFileSize('a'));
  assert.equal(failure.code, 'UNAVAILABLE');
  assert.match(
    failure.message,
    new RegExp(`^cannot connect to ${list} \\(plaintext\\): connect ECONNREFUSED`),
  );
});

test('names the server that has refused a call', async (t) => {
  const [one, two, list] = await twoServers(t);
  one.failure = two.failure = status.PERMISSION_DENIED;
  const { message } = await failureOf(clientOf(t, list).getFileSize('a'));
  assert.ok(
    [one, two].some(({ address }) => message === `told to fail (${address})`),
    message,
  );
});

test('leaves out a server that says NOT_SERVING, while another serves', async (t) => {
  const [one, two, list] = await twoServers(t);
  const client = clientOf(t, list);
  await answersBecome(client, BOTH);
  one.says('NOT_SERVING');
  await answersBecome(client, new Set([2]));
  two.says('NOT_SERVING');
  await answersBecome(client, BOTH);
  two.says('SERVING');
  await answersBecome(client, new Set([2]));
  one.says('SERVING');
  await answersBecome(client, BOTH);
});

test('takes a server without the health service for one that serves', async (t) => {
  const [one] = await twoServers(t);
  const other = await NumberedServer.start(t, 3, { hasHealth: false });
  const client = clientOf(t, [one.address, other.address]);
  await answersBecome(client, new Set([1, 3]));
  one.says('NOT_SERVING');
  await answersBecome(client, new Set([3]));
});

test('the only server that is left is asked also when it says NOT_SERVING', async (t) => {
  const [one, two, list] = await twoServers(t);
  const client = clientOf(t, list);
  await answersBecome(client, BOTH);
  one.says('NOT_SERVING');
  await answersBecome(client, new Set([2]));
  two.kill();
  await answersBecome(client, new Set([1]));
});

test('leaves out a server that fails its calls', async (t) => {
  const [one, , list] = await twoServers(t);
  const client = clientOf(t, list);
  await answersBecome(client, BOTH);
  one.failure = status.INTERNAL;
  const callsOfOne = async () => {
    const before = one.calls;
    await Promise.all(Array.from({ length: 8 }, () => client.getFileSize('a')));
    return one.calls - before;
  };
  const deadline = Date.now() + 30_000;
  while ((await callsOfOne()) > 0) assert.ok(Date.now() < deadline, 'the failing server is still asked');
});

test('a client that is not closed keeps no process alive', async (t) => {
  const [, , list] = await twoServers(t);
  const child = startChild(t, process.execPath, [UNCLOSED_CLIENT, list, '2']);
  assert.equal(await within('the end of the process', child.ended, 10_000), 0);
  assert.equal(child.stdout, '1,2');
});

test('takes the addresses of one name for several servers', async (t) => {
  const one = await NumberedServer.start(t, 1);
  await NumberedServer.start(t, 2, { host: '127.0.0.2', port: one.port });
  const nameServer = await startNameServer(t, ['127.0.0.1', '127.0.0.2']);
  const target = `dns://${nameServer}/sluice.localhost:${one.port}`;
  const child = startChild(t, process.execPath, [UNCLOSED_CLIENT, target, '2'], {
    env: ASKING_ITS_NAME_SERVER,
  });
  assert.equal(await within('the end of the process', child.ended, 10_000), 0);
  assert.equal(child.stdout, '1,2');
});

test('spreads uploads over the addresses of one name, those of one file to the same, whoever sends them', async (t) => {
  const one = await startServer(t, { writable: true });
  const two = await startServer(t, { writable: true, listen: `127.0.0.2:${one.port}` });
  const names = Array.from({ length: 8 }, (_, index) => `file-${index}`);
  const holders = () => names.map((name) => [one, two].map((server) => existsSync(server.at(name))));
  for (const addresses of [
    ['127.0.0.1', '127.0.0.2'],
    ['127.0.0.2', '127.0.0.1'],
  ]) {
    const target = `dns://${await startNameServer(t, addresses)}/sluice.localhost:${one.port}`;
    const args = [UPLOADING_CLIENT, target, ...names];
    const child = startChild(t, process.execPath, args, { env: ASKING_ITS_NAME_SERVER });
    assert.equal(await within('the end of the process', child.ended, 20_000), 0);
    assert.ok(
      holders().every(([isFirst, isSecond]) => isFirst !== isSecond),
      JSON.stringify(holders()),
    );
  }
  assert.ok([one, two].every((server) => names.some((name) => existsSync(server.at(name)))));
});

test('verifies each server of a list by its own name or address', { skip }, async (t) => {
  const named = await certificateFor(t, 'DNS:localhost');
  const numbered = await certificateFor(t, 'IP:127.0.0.2');
  const [one, two] = await Promise.all([
    NumberedServer.start(t, 1, { tls: named }),
    NumberedServer.start(t, 2, { host: '127.0.0.2', tls: numbered }),
  ]);
  const list = `localhost:${one.port},${two.address}`;
  const ca = Buffer.concat([named.cert, numbered.cert]);
  await answersBecome(clientOf(t, list, { tls: { ca } }), BOTH);
});

test('refuses a server of a list whose certificate is for another one of the list', { skip }, async (t) => {
  const tls = await certificateFor(t, 'DNS:localhost');
  const [one, two, three] = await Promise.all([
    NumberedServer.start(t, 1, { tls }),
    NumberedServer.start(t, 2, { host: '127.0.0.2', tls }),
    NumberedServer.start(t, 3, { host: '127.0.0.3', tls }),
  ]);
  const options = { tls: { ca: tls.cert } };
  const wrong = await failureOf(clientOf(t, [two.address, three.address], options).getFileSize('a'));
  assert.match(wrong.message, /IP: 127\.0\.0\.[23] is not in the cert's list/);
  const client = clientOf(t, `localhost:${one.port},${two.address}`, options);
  for (let count = 0; count < 20; count += 1) assert.equal(await client.getFileSize('a'), 1);
  assert.equal(two.calls, 0);
});

test('one name given for all servers of a list is asked of each', { skip }, async (t) => {
  const tls = await certificateFor(t, 'DNS:sluice.test');
  const [, , list] = await twoServers(t, { tls });
  await answersBecome(clientOf(t, list, { tls: { ca: tls.cert, serverName: 'sluice.test' } }), BOTH);
});
