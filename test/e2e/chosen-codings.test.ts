/** What a server, or a client that uploads, chooses by itself at the end of a slow link, and what it says about it. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startLink } from '../../link-emulator/link.ts';
import { type Logger, silentLogger } from '../../src/base/logger.ts';
import { RUNTIME_CODECS } from '../../src/wire/codec.ts';
import { assertComplete } from '../support/check-stream.ts';
import { assertBytes, type Content, joined, lines, noise, writeContent } from '../support/content.ts';
import { RawClient } from '../support/peers/raw-client.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { runSluice } from '../support/sluice-process.ts';
import { KIB, MIB, startServer, TWO_THREADS } from '../support/test-server.ts';

const NAME = 'a.txt';

interface DoneLine {
  wireBytes?: number;
  codecs?: Record<string, number>;
  codings?: { bytes: Record<string, number>; switches: number; ratio: number; reason: string };
}

/** A server with one file behind a link of 4 MiB/s, and the fields of the lines it logs. */
async function slowServer(t: TestContext, content?: Content) {
  const done: DoneLine[] = [];
  const logger: Logger = {
    ...silentLogger,
    info: (fields, message) => /^(StreamFile|UploadFile) done$/.test(message) && done.push(fields),
  };
  const settings = content === undefined ? { writable: true, uploads: { minFree: 0 } } : {};
  const server = await startServer(t, { ...TWO_THREADS, ...settings }, { logger });
  if (content !== undefined) server.write(NAME, content);
  const link = await startLink({
    target: { host: '127.0.0.1', port: server.port },
    rateBytesPerSec: 4 * MIB,
    queueBytes: 64 * KIB,
  });
  t.after(() => link.close());
  const client = new RawClient(link.address);
  t.after(() => client.close());
  return { client, done, link, server };
}

const REQUESTS: readonly [what: string, acceptedCodecs: string[], said: string[]][] = [
  ['the plain contract sees gzip only', [], ['CODEC_UNSPECIFIED']],
  ['gzip and brotli sees those', ['CODEC_GZIP', 'CODEC_BROTLI'], ['CODEC_UNSPECIFIED', 'CODEC_BROTLI']],
  ['brotli alone sees that', ['CODEC_BROTLI'], ['CODEC_BROTLI']],
];

for (const [what, acceptedCodecs, said] of REQUESTS) {
  test(`a client of ${what}`, async (t) => {
    const content = lines(16 * MIB);
    const { client, done } = await slowServer(t, content);
    const request = { fileName: NAME, canDecompress: true, wantChecksums: true, acceptedCodecs };
    const received = await client.fetch(request);
    assertComplete(received, { request, content, chunkBytes: 64 * KIB });
    const compressed = received.messages.filter((message) => message.compressed);
    assert.ok(compressed.length > 0);
    for (const { codec } of compressed) assert.ok(said.includes(codec), codec);
    const codings = done[0]?.codings;
    assert.ok(codings !== undefined && codings.ratio > 0 && codings.ratio < 0.7, JSON.stringify(codings));
    assert.equal(
      Object.values(codings.bytes).reduce((sum, bytes) => sum + bytes, 0),
      content.size,
    );
    assert.match(codings.reason, /./);
  });
}

test('noise is sent as it is, text behind it compressed', async (t) => {
  const content = joined(noise(1, 3 * MIB), lines(8 * MIB));
  const { client } = await slowServer(t, content);
  const request = { fileName: NAME, canDecompress: true, wantChecksums: true };
  const received = await client.fetch(request);
  assertComplete(received, { request, content, chunkBytes: 64 * KIB });
  for (const { compressed, offset, rawSize } of received.messages) {
    if (Number(offset) + rawSize <= 3 * MIB) assert.equal(compressed, false, `at ${offset}`);
  }
  const last = received.messages.filter(({ rawSize }) => rawSize > 0).at(-1);
  assert.equal(last?.compressed, true);
});

test('sluice get -v says what came as what', async (t) => {
  const { link } = await slowServer(t, lines(4 * MIB));
  const cwd = join(scratchDirectory(t), 'cwd');
  mkdirSync(cwd);
  const { code, stderr } = await runSluice(t, ['get', '-v', `${link.address}/${NAME}`], { cwd });
  assert.equal(code, 0, stderr);
  const codecs = RUNTIME_CODECS.join('|');
  assert.match(stderr, new RegExp(`^a\\.txt: [0-9.]+ [KM]iB on the wire: .*as (${codecs})`, 'm'));
});

test('an upload whose data changes its kind comes as it was sent, noise plainly, and sluice put -v says how', async (t) => {
  const { done, link, server } = await slowServer(t);
  const content = joined(lines(5 * MIB), noise(1, 2 * MIB), lines(5 * MIB + 77));
  const cwd = scratchDirectory(t);
  writeContent(join(cwd, NAME), content);
  const env = { XDG_STATE_HOME: join(cwd, 'state') };
  const { code, stderr } = await runSluice(t, ['put', '-v', NAME, link.address], { cwd, env });
  assert.equal(code, 0, stderr);
  assertBytes(readFileSync(server.at(NAME)), content, 0);
  const codecs = RUNTIME_CODECS.join('|');
  assert.match(stderr, new RegExp(`^a\\.txt: [0-9.]+ [KM]iB on the wire: .*as (${codecs})`, 'm'));
  assert.match(stderr, /^a\.txt: sent \{.*"codings":\{"bytes":\{.*"reason":"/m);
  const { identity = 0, ...compressed } = done[0]?.codecs ?? {};
  const compressedBytes = Object.values(compressed).reduce((sum, bytes) => sum + bytes, 0);
  assert.equal(identity + compressedBytes, content.size);
  // Around the noise a few chunks of text are on their way as it is before it is seen that they need not.
  assert.ok(identity >= 1.5 * MIB && compressedBytes >= 5 * MIB, JSON.stringify(done[0]));
  assert.ok((done[0]?.wireBytes ?? 0) < 0.8 * content.size);
});
