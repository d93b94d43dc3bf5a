/** Certificates that are exchanged while a server runs. SLUICE_TEST_ROTATIONS says how often. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import { type Logger, silentLogger } from '../../src/base/logger.ts';
import { assertComplete } from '../support/check-stream.ts';
import { noise } from '../support/content.ts';
import {
  type Certificate,
  pemsOf,
  selfSigned,
  signedBy,
  withoutOpenssl as skip,
} from '../support/peers/certificates.ts';
import { bytesOf, firstMessage, RawClient, receiveAll } from '../support/peers/raw-client.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { KIB, MIB, startServer } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';

const ROTATIONS = Number(process.env.SLUICE_TEST_ROTATIONS ?? 10);

/** Clients that connect again and again, all the time. */
const CONNECTORS = 2;

const REQUEST = { fileName: 'file', wantChecksums: true };

type Pems = ReturnType<typeof pemsOf>;

/** Where a server finds its pair, as a Kubernetes secret has it: behind a link that is exchanged. */
class LivePair {
  readonly paths: Certificate;
  readonly #directory: string;
  #versions = 0;

  constructor(directory: string, first: Pems) {
    this.#directory = directory;
    this.paths = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') };
    for (const name of ['cert', 'key']) symlinkSync(`current-${name}`, join(directory, `${name}.pem`));
    this.exchange(first);
  }

  /** Another file behind each link; null leaves none there. */
  exchange({ cert, key }: { cert: Buffer | null; key: Buffer | null }): void {
    this.#versions += 1;
    for (const [name, pem] of [['cert', cert] as const, ['key', key] as const]) {
      const file = `${name}-${this.#versions}`;
      if (pem !== null) writeFileSync(join(this.#directory, file), pem);
      symlinkSync(file, join(this.#directory, 'next'));
      renameSync(join(this.#directory, 'next'), join(this.#directory, `current-${name}`));
    }
  }

  /** The same files with other content, one after the other. */
  overwrite({ cert, key }: Pems): void {
    writeFileSync(this.paths.cert, cert);
    writeFileSync(this.paths.key, key);
  }
}

/** Every kind of pair that is no use. */
function broken(rotation: number, good: Pems, other: Pems) {
  const kinds = [
    { cert: good.cert, key: other.key },
    { cert: good.cert.subarray(0, good.cert.byteLength / 2), key: good.key },
    { cert: Buffer.alloc(0), key: Buffer.alloc(0) },
    { cert: null, key: null },
    { cert: good.cert, key: good.key.subarray(0, 100) },
  ];
  return kinds[rotation % kinds.length] as (typeof kinds)[number];
}

async function connected(options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ servername: 'localhost', ALPNProtocols: ['h2'], ...options });
  try {
    await once(socket, 'secureConnect');
    // Behind the handshake of TLS 1.3 a server may still refuse the client's certificate.
    const settings = once(socket, 'data');
    await Promise.race([settings, once(socket, 'close').then(() => Promise.reject(new Error('refused')))]);
    return socket;
  } catch (reason) {
    socket.destroy();
    throw reason;
  }
}

async function presented(port: number, ca: Buffer): Promise<string> {
  const socket = await connected({ port, ca });
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

test(`of ${ROTATIONS} rotations, three in ten of them broken, no new connection notices`, {
  skip,
}, async (t) => {
  const directory = scratchDirectory(t);
  const authority = selfSigned(directory, 'authority');
  const ca = pemsOf(authority).cert;
  const newPair = (name: string) => pemsOf(signedBy(authority, directory, name));
  let good = newPair('first');
  const live = new LivePair(scratchDirectory(t), good);
  const problems: string[] = [];
  const note = (_fields: object, message: string) => problems.push(message);
  const logger: Logger = { ...silentLogger, warn: note, error: note };
  const settings = { tls: live.paths, stream: { stallTimeout: 86_400_000 } };
  const server = await startServer(t, settings, { logger });
  const content = server.write('file', noise(1, 8 * MIB));
  const client = new RawClient(server.address, NAME, credentials.createSsl(ca));
  t.after(() => client.close());
  const call = client.stream(REQUEST);
  const first = await firstMessage(call);

  const failures: Error[] = [];
  let connections = 0;
  let isOver = false;
  const connectors = Array.from({ length: CONNECTORS }, async () => {
    while (!isOver) {
      await presented(server.port, ca).catch((error: Error) => failures.push(error));
      connections += 1;
    }
  });
  for (let rotation = 0; rotation < ROTATIONS; rotation += 1) {
    const problemsBefore = problems.length;
    const isLookedAt = rotation % 5 === 4;
    if (rotation % 10 < 7) {
      good = newPair(`pair-${rotation}`);
      if (rotation % 2 === 0) live.exchange(good);
      else live.overwrite(good);
      if (!isLookedAt) await server.server.reload(server.config);
      const wanted = new X509Certificate(good.cert).fingerprint256;
      let found = '';
      const renewed = async () => {
        while (found !== wanted && failures.length === 0) found = await presented(server.port, ca);
      };
      await within('the new pair is used', renewed());
    } else {
      live.exchange(broken(rotation, newPair(`pair-${rotation}`), good));
      if (!isLookedAt) await server.server.reload(server.config);
      await until('the broken pair is logged', () => problems.length > problemsBefore);
      assert.equal(await presented(server.port, ca), new X509Certificate(good.cert).fingerprint256);
    }
  }
  isOver = true;
  await Promise.all(connectors);
  assert.deepEqual(failures, []);
  assert.ok(connections > 2 * ROTATIONS, 'connections were made all the time');
  call.resume();
  const rest = await receiveAll(call);
  const messages = [first, ...rest.messages];
  assertComplete(
    { ...rest, messages, bytes: bytesOf(messages) },
    { request: REQUEST, content, chunkBytes: 64 * KIB },
  );
});

const NAME = { 'grpc.ssl_target_name_override': 'localhost' };

test('a client whose authority was removed is not let in again, by a session of before either', {
  skip,
}, async (t) => {
  const directory = scratchDirectory(t);
  const own = selfSigned(directory, 'server');
  const [before, after] = [selfSigned(directory, 'before'), selfSigned(directory, 'after')];
  const clientCa = join(directory, 'clients.pem');
  writeFileSync(clientCa, pemsOf(before).cert);
  const server = await startServer(t, { tls: { ...own, clientCa } });
  const asBefore = { port: server.port, ca: pemsOf(own).cert, ...pemsOf(before) };
  const first = connect({ servername: 'localhost', ALPNProtocols: ['h2'], ...asBefore });
  const [session] = (await once(first, 'session')) as [Buffer];
  const resumed = await connected({ ...asBefore, session });
  assert.ok(resumed.isSessionReused(), 'while it is admitted, a client resumes its sessions');

  writeFileSync(clientCa, pemsOf(after).cert);
  await server.server.reload(server.config);
  for (const socket of [first, resumed]) assert.equal(socket.destroyed, false);
  await assert.rejects(connected({ ...asBefore, session }));
  await assert.rejects(connected(asBefore));
  const other = await connected({ ...asBefore, ...pemsOf(after) });
  for (const socket of [first, resumed, other]) socket.destroy();
});
