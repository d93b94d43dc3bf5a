/** How trees of small files come over a slow link: what passes it, and what arrives. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startLink } from '../../../link-emulator/link.ts';
import { type Logger, silentLogger } from '../../../src/base/logger.ts';
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
  const sluice = async (...args: string[]) => {
    const { code, stderr } = await runSluice(t, args, { cwd, env: { XDG_STATE_HOME: join(cwd, 'state') } });
    assert.equal(code, 0, stderr);
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
    await sluice('get', '-r', `${link.address}/tree`, '-o', 'here', '--compression', compression);
    assertTree(join(cwd, 'here'), files);
    const { downBytes } = link.stats();
    assert.ok(downBytes < most * TREE_BYTES, `${downBytes} of ${TREE_BYTES} bytes`);
    if (most >= 1) assert.ok(downBytes > TREE_BYTES, `${downBytes} of ${TREE_BYTES} bytes`);
    // In packs, not one by one.
    assert.ok((done[0]?.requests ?? 0) > 1);
    assert.equal(done[0]?.codings === undefined, compression !== 'auto');
  });
}
