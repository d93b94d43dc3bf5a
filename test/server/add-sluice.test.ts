/** sluice on a gRPC server that belongs to a program. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Client, credentials, Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { Counter, Registry } from 'prom-client';
import { type ServicesOptions, SluiceClient, SluiceServer, type TransferError } from '../../src/index.ts';
import { addSluice, sluiceServerOptions } from '../../src/server/add-sluice.ts';
import { assertBytes, lines, noise } from '../support/content.ts';
import { RawClient } from '../support/peers/raw-client.ts';
import { scratchDirectory, scratchRoot } from '../support/scratch.ts';
import { MIB, testConfig } from '../support/test-server.ts';

const ECHO = {
  Say: {
    path: '/example.Echo/Say',
    requestStream: false,
    responseStream: false,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  },
} satisfies ServiceDefinition;

/** A program with a service of its own. */
async function program(t: TestContext, options: ServicesOptions = {}) {
  const config = testConfig(scratchRoot(t), { writable: true });
  const server = new Server(sluiceServerOptions(config));
  server.addService(ECHO, {
    Say: (call: { request: Buffer }, answer: (error: null, bytes: Buffer) => void) =>
      answer(null, call.request),
  });
  const added = await addSluice(server, config, options);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  t.after(async () => {
    server.forceShutdown();
    await added.stop(0);
  });
  return { added, address: `127.0.0.1:${port}`, config, server };
}

test('a program serves sluice beside its own services', async (t) => {
  const { added, address } = await program(t);
  const client = new SluiceClient(address, { ownConnection: true });
  t.after(() => client.close());
  const content = lines(8 * MIB);
  const copy = join(scratchDirectory(t), 'copy');

  await client.upload(content.bytes(0, content.size), 'in/file');
  await client.download('in/file', copy);
  assertBytes(readFileSync(copy), content, 0);

  const session = client.session();
  await session.write('in/small', Buffer.from('small'));
  assert.deepEqual(Buffer.from(await session.read('in/small').buffer()), Buffer.from('small'));
  await session.close();

  const own = new Client(address, credentials.createInsecure());
  t.after(() => own.close());
  const said = await new Promise<unknown>((resolve, reject) =>
    own.makeUnaryRequest(
      ECHO.Say.path,
      ECHO.Say.requestSerialize,
      ECHO.Say.responseDeserialize,
      Buffer.from('hello'),
      (error, answer) => (error === null ? resolve(answer) : reject(error)),
    ),
  );
  assert.deepEqual(said, Buffer.from('hello'));
  assert.equal(added.stats().slabs.free, added.stats().slabs.count);
});

test('its end lets downloads finish, and refuses what comes later', async (t) => {
  const { added, address, server } = await program(t);
  const client = new SluiceClient(address, { ownConnection: true, retry: { attempts: 1, outageMs: 0 } });
  t.after(() => client.close());
  const content = noise(1, 16 * MIB);
  await client.upload(content.bytes(0, content.size), 'file');
  const raw = new RawClient(address);
  t.after(() => raw.close());
  const call = raw.stream({ fileName: 'file' });
  await new Promise((resolve) => call.once('data', resolve));
  const ended = new Promise((resolve) => call.once('end', resolve));
  server.tryShutdown(() => {});

  const stopped = added.stop(60_000);
  call.resume();
  await ended;
  await stopped;
  await assert.rejects(client.stat('file'), (error: TransferError) => error.code === 'UNAVAILABLE');
});

test('a server of another copy of grpc-js is refused with the remedy', async (t) => {
  const config = testConfig(scratchRoot(t));
  const foreign = Object.create({ addService() {} }) as Server;
  await assert.rejects(addSluice(foreign, config), /install one version for both/);
});

/** A program's own /metrics, which has one metric of its own. */
function ownMetrics(t: TestContext) {
  const registry = new Registry();
  new Counter({ name: 'orders_total', help: 'Orders of the program.', registers: [registry] }).inc(7);
  const http = createServer((_request, response) => {
    void registry.metrics().then((text) => response.end(text));
  });
  http.listen(0, '127.0.0.1');
  t.after(() => {
    http.closeAllConnections();
    http.close();
  });
  const scrape = async () => {
    if (!http.listening) await once(http, 'listening');
    const { port } = http.address() as AddressInfo;
    return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  };
  return { registry, scrape };
}

test('the metrics of a program have those of sluice beside its own, until sluice has ended', async (t) => {
  const { registry, scrape } = ownMetrics(t);
  const { added, address, server } = await program(t, { metrics: registry });
  const client = new SluiceClient(address, { ownConnection: true });
  t.after(() => client.close());
  await client.upload(Buffer.alloc(1000, 'x'), 'file');

  const during = await scrape();
  assert.match(during, /^orders_total 7$/m);
  assert.match(during, /^sluice_received_bytes_total\{form="raw",coding="\w+"\} 1000$/m);
  assert.match(during, /^sluice_job_seconds_bucket\{kind="drain",le="\+Inf"\} [1-9]/m);

  server.forceShutdown();
  await added.stop(0);
  const behind = await scrape();
  assert.match(behind, /^orders_total 7$/m);
  assert.doesNotMatch(behind, /sluice_/);
});

test('a server has its metrics in the registry of its program, and a second server needs another', async (t) => {
  const { registry, scrape } = ownMetrics(t);
  const config = testConfig(scratchRoot(t));
  const server = new SluiceServer(config, { metrics: registry });
  await server.start();
  t.after(() => server.stop());

  const second = new SluiceServer(testConfig(scratchRoot(t)), { metrics: registry });
  await assert.rejects(second.start(), { code: 'INVALID_ARGUMENT', message: /a registry of its own/ });

  const text = await scrape();
  assert.match(text, /^orders_total 7$/m);
  assert.match(text, new RegExp(`^sluice_slabs\\{state="free"\\} ${config.slab.count}$`, 'm'));
});
