/** A client whose PEM files are exchanged while it lives. */
import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Logger, silentLogger } from '../../../src/base/logger.ts';
import { type ClientOptions, SluiceClient } from '../../../src/index.ts';
import { assertBytes, noise } from '../../support/content.ts';
import {
  type Certificate,
  selfSigned,
  signedBy,
  withoutOpenssl as skip,
} from '../../support/peers/certificates.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { MIB, startServer } from '../../support/test-server.ts';
import { until, within } from '../../support/until.ts';

/** One authority with a pair for each side. */
function generation(directory: string, name: string) {
  const authority = selfSigned(directory, name);
  const pair = (side: string) => signedBy(authority, directory, `${name}-${side}`);
  return { ca: authority.cert, server: pair('server'), client: pair('client') };
}

/** The files of one side, always at the same paths. */
function filesIn(directory: string) {
  const [ca, cert, key] = ['ca', 'cert', 'key'].map((name) => join(directory, `${name}.pem`)) as [
    string,
    string,
    string,
  ];
  return {
    paths: { ca, cert, key },
    hold(authority: string, pair: Certificate) {
      copyFileSync(authority, ca);
      copyFileSync(pair.cert, cert);
      copyFileSync(pair.key, key);
    },
  };
}

function noted(): { logger: Logger; has(pattern: RegExp): boolean } {
  const lines: string[] = [];
  const note = (_fields: object, message: string) => void lines.push(message);
  return {
    logger: { ...silentLogger, info: note, warn: note },
    has: (pattern) => lines.some((line) => pattern.test(line)),
  };
}

function connected(
  t: TestContext,
  address: string,
  { ca, cert, key }: ReturnType<typeof filesIn>['paths'],
  options: ClientOptions = {},
): SluiceClient {
  const tls = { caFile: ca, certFile: cert, keyFile: key };
  const client = new SluiceClient(address, { tls, ...options });
  t.after(() => client.close());
  return client;
}

test('both sides renew their certificates while a transfer runs', { skip }, async (t) => {
  const directory = scratchDirectory(t);
  const [before, after] = [generation(directory, 'before'), generation(directory, 'after')];
  const [server, client] = [filesIn(scratchDirectory(t)), filesIn(scratchDirectory(t))];
  server.hold(before.ca, before.server);
  client.hold(before.ca, before.client);
  const [serverLog, clientLog] = [noted(), noted()];
  const { cert, key, ca: clientCa } = server.paths;
  const served = await startServer(t, { tls: { cert, key, clientCa } }, { logger: serverLog.logger });
  const content = served.write('file', noise(1, 32 * MIB));
  const caller = connected(t, served.address, client.paths, { logger: clientLog.logger });
  const chunks = caller.stream('file');
  const first = await chunks.next();
  assert(first.done !== true);

  server.hold(after.ca, after.server);
  client.hold(after.ca, after.client);
  await until('the server has renewed them', () => serverLog.has(/^certificates were renewed/));
  await until('the client has renewed them', () => clientLog.has(/^certificates were renewed/));

  // Neither side trusts what the other had before.
  assert.equal((await caller.stat('file')).size, content.size);
  assert.equal(served.server.stats().connections, 2);
  const parts = [first.value];
  for await (const chunk of chunks) parts.push(chunk);
  assertBytes(Buffer.concat(parts), content, 0);
});

test('a client reaches a server whose authority was exchanged once its own file has it', {
  skip,
}, async (t) => {
  const directory = scratchDirectory(t);
  const [before, after] = [generation(directory, 'before'), generation(directory, 'after')];
  const client = filesIn(scratchDirectory(t));
  client.hold(before.ca, before.client);
  const first = await startServer(t, { tls: before.server });
  first.write('file', noise(1, 1000));
  const retry = { attempts: 1000, initialBackoffMs: 10, maxBackoffMs: 100 };
  const log = noted();
  const caller = connected(t, first.address, client.paths, { logger: log.logger, retry });
  assert.equal((await caller.stat('file')).size, 1000);
  await first.server.stop();
  const second = await startServer(t, { tls: after.server, listen: first.address });
  second.write('file', noise(1, 2000));

  const answer = caller.stat('file');
  await until('it does not trust the server', () => log.has(/^the server is not available; trying again/));
  copyFileSync(after.ca, client.paths.ca);

  assert.equal((await within('an answer', answer)).size, 2000);
});

test('files that cannot be used change nothing, and a warning says so', { skip }, async (t) => {
  const directory = scratchDirectory(t);
  const { ca, client: pair, server: serverPair } = generation(directory, 'good');
  const other = generation(directory, 'other');
  const client = filesIn(scratchDirectory(t));
  client.hold(ca, pair);
  const log = noted();
  const served = await startServer(t, { tls: { ...serverPair, clientCa: ca } });
  served.write('file', noise(1, 1000));
  const caller = connected(t, served.address, client.paths, { logger: log.logger });
  assert.equal((await caller.stat('file')).size, 1000);

  copyFileSync(other.client.key, client.paths.key);
  await until('it warns', () => log.has(/cannot be used; the last good ones stay in use/));

  assert.equal((await caller.stat('file')).size, 1000);
  assert.equal(served.server.stats().connections, 1);
});

test('files that cannot be used at the beginning are an error', { skip }, (t) => {
  const { ca, client: pair } = generation(scratchDirectory(t), 'good');
  const empty = join(scratchDirectory(t), 'empty.pem');
  writeFileSync(empty, '');
  const refused = (tls: ClientOptions['tls'], message: RegExp) =>
    assert.throws(() => new SluiceClient('127.0.0.1:1', { tls }), { code: 'INVALID_ARGUMENT', message });
  refused({ caFile: join(empty, 'none') }, /^tls\.caFile .*none: cannot be read \(ENOTDIR\)/);
  refused({ caFile: empty }, /^tls\.caFile: the file holds no PEM certificate/);
  refused({ certFile: pair.cert }, /certFile and keyFile come together/);
  refused({ caFile: ca, ca: Buffer.from('x') }, /in buffers, or all of it in files/);
});
