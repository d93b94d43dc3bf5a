/** How trees of small files pass a slow link: what passes it, and what arrives. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startLink } from '../../../link-emulator/link.ts';
import { type Logger, silentLogger } from '../../../src/base/logger.ts';
import type { CodecBytes } from '../../../src/client/codec-account.ts';
import { type Content, lines, noise, writeContent } from '../../support/content.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { runSluice } from '../../support/sluice-process.ts';
import { settled } from '../../support/stores/packs.ts';
import { KIB, MIB, startServer, TWO_THREADS } from '../../support/test-server.ts';

const FILES = 200;
const FILE_BYTES = 8 * KIB;
const TREE_BYTES = FILES * FILE_BYTES;

const KINDS = {
  text: (index: number) => lines(FILE_BYTES + (index % 7)),
  noise: (index: number) => noise(index, FILE_BYTES),
} as const;

interface DoneLine {
  readonly requests?: number;
  readonly codings?: { bytes: Record<string, number> };
}

interface DoneFile extends CodecBytes {
  readonly bytes: number;
}

/** A server behind a link of 4 MiB/s, and what it says of its exchanges. */
async function scene(t: TestContext) {
  const done: DoneLine[] = [];
  const logger: Logger = {
    ...silentLogger,
    info: (fields, message) => message === 'Exchange done' && done.push(fields),
  };
  const settings = { ...TWO_THREADS, writable: true, uploads: { minFree: 0 } };
  const server = await startServer(t, settings, { logger });
  const target = { host: '127.0.0.1', port: server.port };
  const link = await startLink({ target, rateBytesPerSec: 4 * MIB, queueBytes: 64 * KIB });
  t.after(() => link.close());
  const cwd = scratchDirectory(t);
  /** What it says of each file that it has moved. */
  const sluice = async (...args: string[]): Promise<DoneFile[]> => {
    const env = { XDG_STATE_HOME: join(cwd, 'state') };
    const { code, stderr, stdout } = await runSluice(t, [...args, '--json'], { cwd, env });
    assert.equal(code, 0, stderr);
    const events = stdout.trimEnd().split('\n');
    return events.map((line) => JSON.parse(line)).filter(({ event }) => event === 'done');
  };
  return { cwd, done, link, server, sluice };
}

function writeTree(directory: string, kind: keyof typeof KINDS): Map<string, Content> {
  const files = new Map(
    Array.from({ length: FILES }, (_, index) => [`d${index % 9}/f${index}.txt`, KINDS[kind](index)]),
  );
  for (let index = 0; index < 9; index++) mkdirSync(join(directory, `d${index}`), { recursive: true });
  for (const [name, content] of files) writeContent(join(directory, name), content);
  return files;
}

function assertTree(directory: string, files: ReadonlyMap<string, Content>): void {
  for (const [name, { bytes, size }] of files)
    assert.ok(readFileSync(join(directory, name)).equals(bytes(0, size)), name);
}

/** What is said of each file agrees with its size, and all together with what has passed the link. */
function assertTold(files: readonly DoneFile[], isCompressed: boolean, passedBytes: number): void {
  assert.equal(files.length, FILES);
  for (const { bytes, bytesByCodec } of files)
    assert.equal(sum(Object.values(bytesByCodec)), bytes, JSON.stringify(bytesByCodec));
  const wireBytes = sum(files.map((file) => file.wireBytes));
  // Each share is rounded.
  assert.ok(wireBytes < passedBytes + FILES && wireBytes > passedBytes / 2, `${wireBytes} of ${passedBytes}`);
  const plainBytes = sum(files.map(({ bytesByCodec }) => bytesByCodec.identity));
  assert.equal(plainBytes < sum(files.map(({ bytes }) => bytes)), isCompressed);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** What passes beside the content: names, answers, HTTP/2. */
const OVERHEAD = 1.1;

for (const [kind, compression, most] of [
  ['text', 'auto', 0.75],
  ['text', 'always', 0.75],
  ['text', 'never', OVERHEAD],
  ['noise', 'auto', OVERHEAD],
  ['noise', 'always', OVERHEAD],
] as const) {
  test(`get -r of small files of ${kind} over a slow link (${compression})`, async (t) => {
    const { cwd, done, link, server, sluice } = await scene(t);
    const files = writeTree(join(server.root, 'tree'), kind);
    await settled(...[...files.keys()].map((name) => server.at(`tree/${name}`)));
    const told = await sluice(
      'get',
      '-r',
      `${link.address}/tree`,
      '-o',
      'here',
      '--compression',
      compression,
    );
    assertTree(join(cwd, 'here'), files);
    const { downBytes } = link.stats();
    assertTold(told, most < 1, downBytes);
    assert.ok(downBytes < most * TREE_BYTES, `${downBytes} of ${TREE_BYTES} bytes`);
    if (most >= 1) assert.ok(downBytes > TREE_BYTES, `${downBytes} of ${TREE_BYTES} bytes`);
    // In packs, not one by one.
    assert.ok((done[0]?.requests ?? 0) > 1);
    assert.equal(done[0]?.codings === undefined, compression !== 'auto');
  });
}

for (const [kind, compression, most] of [
  ['text', 'auto', 0.75],
  ['text', 'always', 0.75],
  ['text', 'never', OVERHEAD],
  ['noise', 'auto', OVERHEAD],
  ['noise', 'always', OVERHEAD],
] as const) {
  test(`put -r of small files of ${kind} over a slow link (${compression})`, async (t) => {
    const { cwd, done, link, server, sluice } = await scene(t);
    const files = writeTree(join(cwd, 'here'), kind);
    const told = await sluice('put', '-r', 'here', `${link.address}/`, '--compression', compression);
    assertTree(server.at('here'), files);
    const { upBytes } = link.stats();
    assertTold(told, most < 1, upBytes);
    assert.ok(upBytes < most * TREE_BYTES, `${upBytes} of ${TREE_BYTES} bytes`);
    if (most >= 1) assert.ok(upBytes > TREE_BYTES, `${upBytes} of ${TREE_BYTES} bytes`);
    // In packs, not one by one.
    assert.ok((done[0]?.requests ?? 0) > 1);
  });
}
