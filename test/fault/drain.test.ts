/**
 * SIGTERM under load, with real processes: how the server ends, and what becomes
 * of the transfers. SLUICE_TEST_DRAINS says how often; then the time counts too.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { KIB, MIB } from '../../src/base/units.ts';
import { SluiceClient } from '../../src/client/client.ts';
import { countersOf } from '../../src/server/server.ts';
import { noise } from '../support/content.ts';
import { FrameReader } from '../support/fuzz/frame-reader.ts';
import {
  callBlock,
  data,
  END_STREAM,
  FRAME_HEADER_BYTES,
  GOAWAY,
  headers,
  opening,
} from '../support/peers/h2-frames.ts';
import { methodOf } from '../support/peers/raw-client.ts';
import { framed } from '../support/peers/raw-http2.ts';
import { scratchRoot } from '../support/scratch.ts';
import { SluiceProcess } from '../support/sluice-process.ts';
import { startServer } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';

const DRAINS = Number(process.env.SLUICE_TEST_DRAINS ?? 1);
const TRANSFERS_EACH_WAY = 25;
const GRACE_MS = 1000;
const MARGIN_MS = 2000;

const CONTENT = noise(1, MIB).bytes(0, MIB);
const PIECE_BYTES = 64 * KIB;
const DIGEST = digestOf(CONTENT);

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

class Gate {
  readonly opened: Promise<void>;
  open!: () => void;

  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}

async function serve(t: TestContext, root: string, listen: string): Promise<[SluiceProcess, string]> {
  const args = ['--writable', '--listen', listen, '--pool-threads', '1'];
  const server = new SluiceProcess(t, ['serve', root, ...args, '--shutdown-grace', `${GRACE_MS}ms`]);
  const [, address] = await server.says(/ready on (\S+),/);
  return [server, String(address)];
}

/** Takes the first chunk, and the others once `gate` is open. */
async function download(client: SluiceClient, begun: () => void, gate: Gate): Promise<string> {
  const hash = createHash('sha256');
  let isFirst = true;
  for await (const chunk of client.stream('file')) {
    hash.update(chunk);
    if (!isFirst) continue;
    isFirst = false;
    begun();
    await gate.opened;
  }
  return hash.digest('hex');
}

/** Sends a quarter, and the rest once `gate` is open. */
async function upload(client: SluiceClient, name: string, begun: () => void, gate: Gate): Promise<void> {
  async function* pieces() {
    for (let at = 0; at < CONTENT.length; at += PIECE_BYTES) {
      if (at === CONTENT.length / 4) {
        begun();
        await gate.opened;
      }
      yield CONTENT.subarray(at, at + PIECE_BYTES);
    }
  }
  await client.upload(pieces(), name);
}

test(`a server drains ${DRAINS} times under ${2 * TRANSFERS_EACH_WAY} transfers, and all of them complete behind it`, async (t) => {
  const root = scratchRoot(t);
  writeFileSync(join(root, 'file'), CONTENT);
  let [server, address] = await serve(t, root, '127.0.0.1:0');
  for (let drain = 0; drain < DRAINS; drain += 1) {
    const client = new SluiceClient(address, { windowBytes: 64 * KIB });
    const [signalled, ended] = [new Gate(), new Gate()];
    let begun = 0;
    const count = () => {
      begun += 1;
    };
    const names = Array.from({ length: TRANSFERS_EACH_WAY }, (_, i) => `upload-${i}`);
    // Half of them go on within the grace time, the others when the server is gone.
    const transfers = names.flatMap((name, i) => {
      const gate = i % 2 === 0 ? signalled : ended;
      return [download(client, count, gate), upload(client, name, count, gate)];
    });
    const all = Promise.all(transfers);
    await until('all transfers have begun', () => begun === transfers.length, { state: () => begun });
    const session = client.session();
    await session.stat('file');
    const silent = connect(Number(address.split(':').at(-1)), '127.0.0.1').on('error', () => {});
    await once(silent, 'connect');

    const startMs = performance.now();
    server.process.kill('SIGTERM');
    signalled.open();
    const { code, stderr } = await within('the server ends', server.outcome());
    const tookMs = Math.round(performance.now() - startMs);
    t.diagnostic(`drain ${drain}: ${tookMs} ms`);
    assert.equal(code, 0, stderr);
    if (process.env.SLUICE_TEST_DRAINS !== undefined)
      assert.ok(tookMs <= GRACE_MS + MARGIN_MS, `it took ${tookMs} ms:\n${stderr}`);
    ended.open();

    [server] = await serve(t, root, address);
    const digests = await within('all transfers complete', all, 60_000);
    for (const digest of digests) assert.equal(digest ?? DIGEST, DIGEST);
    for (const name of names) assert.equal(digestOf(readFileSync(join(root, name))), DIGEST);
    assert.equal((await session.stat('file')).size, CONTENT.length);
    silent.destroy();
    client.close();
  }
});

test('what an upload has sent is durable when its server has stopped', async (t) => {
  const server = await startServer(t, { writable: true, uploads: { syncInterval: 86_400_000 } });
  const { call, ended } = server.client().clientStream('UploadFile');
  const bytes = 3 * PIECE_BYTES;
  call.write({ start: { fileName: 'new', expected: { size: 2 * bytes }, uploadId: 'a'.repeat(32) } });
  for (let at = 0; at < bytes; at += PIECE_BYTES) {
    call.write({ offset: at, chunk: CONTENT.subarray(at, at + PIECE_BYTES) });
  }
  const { receivedBytes } = countersOf(server.server);
  const received = () => receivedBytes.value('raw', 'identity');
  await until('the server has received all of it', () => received() === bytes, { state: received });
  await server.server.stop(0);
  assert.equal((await ended).status, 'UNAVAILABLE');

  const next = await startServer(t, { writable: true }, { root: server.root });
  const { answer } = await next.client().unary('GetUploadStatus', { uploadId: 'a'.repeat(32) });
  assert.equal(Number(answer?.committedSize), bytes);
});

test('the request of a peer that has just connected when its server stops is served', async (t) => {
  const server = await startServer(t);
  server.write('file', noise(2, KIB));
  const socket = connect(server.port, '127.0.0.1').on('error', () => {});
  t.after(() => socket.destroy());
  const closed = new Promise((resolve) => socket.once('close', resolve));
  /** The last streams that GOAWAY frames allow. */
  const lastStreams: number[] = [];
  const frames = new FrameReader((type, _, bytes) => {
    if (type === GOAWAY) lastStreams.push(bytes.readUInt32BE(FRAME_HEADER_BYTES));
  });
  socket.on('data', (bytes) => frames.read(bytes));
  socket.write(opening());
  await until('the connection is there', () => server.server.stats().connections === 1);

  const stopped = server.server.stop();
  const { connections } = server.server.stats();
  const request = methodOf('GetFileSize').requestSerialize({ fileName: 'file' });
  socket.write(Buffer.concat([headers(1, callBlock('GetFileSize')), data(1, framed(request), END_STREAM)]));

  await within('the server stops', stopped);
  await within('the connection is closed', closed);
  assert.equal(connections, 1);
  assert.deepEqual([...new Set(lastStreams)], [1]);
  assert.equal(countersOf(server.server).calls.value('GetFileSize', 'OK'), 1);
});
