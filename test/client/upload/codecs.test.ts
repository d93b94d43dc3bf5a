/** What chunks of uploads are compressed with: what the server takes, and what gets them there sooner. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startLink } from '../../../link-emulator/link.ts';
import { TransferError } from '../../../src/base/errors.ts';
import { KIB, MIB } from '../../../src/base/units.ts';
import type { UploadResult } from '../../../src/client/upload/options.ts';
import { RUNTIME_CODECS } from '../../../src/wire/codec.ts';
import type { Codec } from '../../../src/wire/messages.ts';
import { lines } from '../../support/content.ts';
import { clientOf, failureOf } from '../fixtures.ts';
import type { UploadPeer } from './peer.ts';
import { LARGE, scene } from './scene.ts';

const text = lines(LARGE).bytes(0, LARGE);

/** Codecs of the chunks from the index on, each once. */
function codecsOf(peer: UploadPeer, from = 0): Set<string> {
  return new Set(peer.chunks.slice(from).map(({ codec }) => codec));
}

function assertAmong(found: Set<string>, allowed: readonly string[]): void {
  for (const codec of found) assert.ok(allowed.includes(codec), `${codec} is not among ${allowed.join()}`);
}

const SERVERS: readonly [accepted: (Codec | number)[], used: string[]][] = [
  [[], ['identity']],
  [['CODEC_GZIP'], ['gzip', 'identity']],
  [
    [77, 'CODEC_GZIP', 'CODEC_GZIP'],
    ['gzip', 'identity'],
  ],
  [['CODEC_BROTLI'], ['brotli', 'identity']],
  [
    ['CODEC_GZIP', 'CODEC_BROTLI'],
    ['gzip', 'brotli', 'identity'],
  ],
  [
    ['CODEC_GZIP', 'CODEC_BROTLI', 'CODEC_ZSTD'],
    [...RUNTIME_CODECS, 'identity'],
  ],
];

for (const [accepted, used] of SERVERS) {
  test(`a server that takes ${accepted.join(', ') || 'nothing'} gets ${used.join(', ')}`, async (t) => {
    const { client, pathOf, peer } = await scene(t);
    peer.acceptedCodecs = accepted;
    const result = await client.upload(pathOf(text), 'a.txt');
    assert.ok(peer.files.get('a.txt')?.content.equals(text));
    assertAmong(codecsOf(peer), used);
    // The fastest codec is what the first bytes go in.
    assert.equal(peer.chunks[0]?.codec === 'identity', used.length === 1);
    assertCounted(result, peer);
  });
}

/** What the client says it sent is what came. */
function assertCounted({ bytesByCodec, wireBytes }: UploadResult, peer: UploadPeer): void {
  const came = { identity: 0, gzip: 0, brotli: 0, zstd: 0 };
  for (const { bytes, codec } of peer.chunks) came[codec as keyof typeof came] += bytes;
  assert.deepEqual(bytesByCodec, came);
  assert.equal(
    wireBytes,
    peer.chunks.reduce((sum, chunk) => sum + chunk.wireBytes, 0),
  );
}

test('always is gzip, never is nothing, whatever else the server takes', async (t) => {
  const { client, pathOf, peer } = await scene(t);
  peer.acceptedCodecs = ['CODEC_GZIP', 'CODEC_BROTLI', 'CODEC_ZSTD'];
  await client.upload(pathOf(text), 'a.zip', { compression: 'always' });
  assert.deepEqual(codecsOf(peer), new Set(['gzip']));
  const sent = peer.chunks.length;
  await client.upload(pathOf(text), 'a.txt', { compression: 'never' });
  assert.deepEqual(codecsOf(peer, sent), new Set(['identity']));
});

for (const [told, first] of [
  [['CODEC_GZIP', 'CODEC_BROTLI'], 'brotli'],
  // As by a server that knows nothing of it: what the run before has heard holds.
  [[], 'gzip'],
] as [Codec[], string][]) {
  test(`a later run begins with ${first} when the server's state names ${told.join(', ') || 'nothing'}`, async (t) => {
    const { pathOf, peer } = await scene(t);
    const once = clientOf(t, peer.address, { retry: { attempts: 1 } });
    peer.faults.push({ how: new TransferError('STALLED', 'no byte'), afterBytes: 1 });
    const path = pathOf(text);
    assert.equal((await failureOf(once.upload(path, 'a.txt'))).code, 'STALLED');
    const sent = peer.chunks.length;
    peer.acceptedCodecs = ['CODEC_GZIP', 'CODEC_BROTLI'];
    peer.lie = (status) => ({ ...status, acceptedCodecs: told });
    await clientOf(t, peer.address).upload(path, 'a.txt');
    assert.equal(peer.callsOf('StartUpload'), 1);
    assert.equal(peer.chunks[sent]?.codec, first);
    assert.ok(peer.files.get('a.txt')?.content.equals(text));
  });
}

test('a server that takes less after an interruption gets no more than that', async (t) => {
  const { client, pathOf, peer } = await scene(t);
  peer.acceptedCodecs = ['CODEC_GZIP', 'CODEC_BROTLI'];
  let sent = 0;
  peer.faults.push({ how: 'cut', afterBytes: 5000 });
  peer.lie = (status) => {
    sent ||= peer.chunks.length;
    peer.acceptedCodecs = ['CODEC_GZIP'];
    return { ...status, acceptedCodecs: ['CODEC_GZIP'] };
  };
  await client.upload(pathOf(text), 'a.txt');
  assert.ok(sent > 0);
  assert.ok(codecsOf(peer).has('brotli'));
  assertAmong(codecsOf(peer, sent), ['gzip', 'identity']);
  assert.ok(peer.files.get('a.txt')?.content.equals(text));
});

/** Sends text until `isEnough`; resolves with how many bytes that took. */
async function sendUntil(t: TestContext, address: string, isEnough: () => boolean): Promise<UploadResult> {
  const piece = lines(MIB).bytes(0, MIB);
  async function* pieces() {
    while (!isEnough()) yield piece;
  }
  return await clientOf(t, address, { chunkBytes: 256 * KIB }).upload(pieces(), 'a.txt', {
    replayBytes: 4 * MIB,
  });
}

test('text goes as it is where the link takes it', async (t) => {
  // A machine that is busy with other tests as the upload begins looks like a full link, at times for all 40 chunks.
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    const { peer } = await scene(t);
    peer.acceptedCodecs = ['CODEC_GZIP', 'CODEC_BROTLI'];
    const isPlain = () => peer.chunks.at(-1)?.codec === 'identity';
    await sendUntil(t, peer.address, () => isPlain() || peer.chunks.length > 40);
    assert.notEqual(peer.chunks[0]?.codec, 'identity');
    if (codecsOf(peer).has('identity')) return;
  }
  assert.fail('everything was compressed');
});

test('text goes compressed, and the more so, where the link does not take it', async (t) => {
  const { peer } = await scene(t);
  peer.acceptedCodecs = ['CODEC_GZIP', 'CODEC_BROTLI'];
  const [host = '', port] = peer.address.split(':');
  const target = { host, port: Number(port) };
  const link = await startLink({ target, rateBytesPerSec: 2 * MIB, queueBytes: 64 * KIB });
  t.after(() => link.close());
  // From brotli 0 on to gzip 4 or 6, which is smaller.
  const result = await sendUntil(t, link.address, () => {
    const last = peer.chunks.slice(-4);
    return last.length === 4 && last.every(({ codec }) => codec === 'gzip');
  });
  assert.equal(peer.chunks[0]?.codec, 'brotli');
  assert.ok(result.wireBytes < result.bytes / 2);
});
