/** `downloadTree` and `uploadTree`, through a server. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SluiceClient } from '../../../src/client/client.ts';
import type { ClientOptions } from '../../../src/client/options.ts';
import type { TreeFailure, TreeFile, TreeResult } from '../../../src/client/tree/options.ts';
import type { TreeProgress } from '../../../src/client/tree/run/totals.ts';
import { type Content, noise } from '../../support/content.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { startServer, type TestServer } from '../../support/test-server.ts';

const OLD_S = 1_000_000_000;

/** Small ones for packs, some of them in several messages, and large ones for transfers of their own. */
const FILES = new Map<string, Content>([
  ...Array.from({ length: 60 }, (_, i) => [`d${i % 4}/e/f${i}`, noise(i, (i * i * 97) % 60_000)] as const),
  ['empty', noise(1, 0)],
  ['large', noise(100, 300_000)],
  ['d1/large', noise(101, 500_000)],
]);

const BYTES = [...FILES.values()].reduce((sum, { size }) => sum + size, 0);

interface Scene {
  server: TestServer;
  client: SluiceClient;
  /** Local. */
  at(path: string): string;
}

async function scene(t: TestContext, options: ClientOptions = {}): Promise<Scene> {
  const server = await startServer(t, { writable: true, uploads: { minFree: 0 } });
  const client = new SluiceClient(server.address, {
    retry: { attempts: 2, initialBackoffMs: 1, outageMs: 0 },
    ...options,
  });
  t.after(() => client.close());
  const top = scratchDirectory(t);
  return { server, client, at: (path) => join(top, path) };
}

function writeFiles(top: string, files: ReadonlyMap<string, Content> = FILES): void {
  for (const [name, content] of files) {
    const path = join(top, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content.bytes(0, content.size));
    utimesSync(path, OLD_S, OLD_S);
  }
}

/** Every file with its bytes, mode and time, and every directory with its mode. */
function stateOf(top: string): Record<string, unknown> {
  const state: Record<string, unknown> = {};
  for (const entry of readdirSync(top, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mode, mtimeMs } = statSync(path);
    state[path.slice(top.length)] = entry.isDirectory()
      ? mode
      : [mode, Math.round(mtimeMs), readFileSync(path).toString('base64')];
  }
  return state;
}

function countsOf({ bytes, failedFiles, files, skippedFiles }: TreeResult): Record<string, number> {
  return { files, bytes, skippedFiles, failedFiles };
}

for (const compression of ['auto', 'always'] as const) {
  test(`a tree goes up and comes down as it is, and is skipped when it is there (${compression})`, async (t) => {
    const { at, client, server } = await scene(t, { compression });
    writeFiles(at('up'));
    mkdirSync(at('up/none/at/all'), { recursive: true });
    chmodSync(at('up/none/at'), 0o700);
    chmodSync(at('up/d0'), 0o750);
    chmodSync(at('up/d0/e/f0'), 0o755);
    chmodSync(at('up/large'), 0o600);

    const sent: TreeFile[] = [];
    const sending: TreeProgress[] = [];
    const up = await client.uploadTree(at('up'), 'to/here', {
      onFile: (file) => sent.push(file),
      onProgress: (progress) => sending.push(progress),
    });

    assert.deepEqual(countsOf(up), { files: FILES.size, bytes: BYTES, skippedFiles: 0, failedFiles: 0 });
    assert.deepEqual(up.failures, []);
    assert.deepEqual(up.leftOut, []);
    assert.deepEqual(stateOf(server.at('to/here')), stateOf(at('up')));
    assert.deepEqual(
      sent.map(({ name }) => name).sort(),
      [...FILES.keys()].map((name) => `to/here/${name}`).sort(),
    );
    for (const { bytes, name, path, version } of sent) {
      const stored = await client.stat(name);
      assert.deepEqual([bytes, version], [stored.size, stored.version]);
      assert.equal(path, at(join('up', name.slice('to/here/'.length))));
    }
    assert.deepEqual(sending.at(-1), {
      foundFiles: FILES.size,
      isPlanComplete: true,
      doneFiles: FILES.size,
      sizeBytes: BYTES,
      movedBytes: BYTES,
      durableBytes: BYTES,
      resumedBytes: 0,
    });

    const down = await client.downloadTree('to/here', at('down'));

    assert.deepEqual(countsOf(down), { files: FILES.size, bytes: BYTES, skippedFiles: 0, failedFiles: 0 });
    assert.deepEqual(stateOf(at('down')), stateOf(at('up')));

    const skipped = { files: 0, bytes: 0, skippedFiles: FILES.size, failedFiles: 0 };
    assert.deepEqual(countsOf(await client.uploadTree(at('down'), 'to/here')), skipped);
    const seen: TreeProgress[] = [];
    const again = await client.downloadTree('to/here', at('down'), {
      onProgress: (progress) => seen.push(progress),
    });
    assert.deepEqual(countsOf(again), skipped);
    assert.deepEqual(seen.at(-1), {
      foundFiles: FILES.size,
      isPlanComplete: true,
      doneFiles: FILES.size,
      sizeBytes: BYTES,
      movedBytes: BYTES,
      resumedBytes: BYTES,
    });

    writeFileSync(server.at('to/here/empty'), 'no more');
    const changed = { ...skipped, files: 1, bytes: 7, skippedFiles: FILES.size - 1 };
    assert.deepEqual(countsOf(await client.downloadTree('to/here', at('down'))), changed);
    assert.equal(readFileSync(at('down/empty'), 'utf8'), 'no more');
    const all = await client.downloadTree('to/here', at('down'), { ignoreTimes: true });
    assert.deepEqual(countsOf(all), { ...skipped, files: FILES.size, bytes: BYTES + 7, skippedFiles: 0 });
  });
}

test('the root of the server comes down whole', async (t) => {
  const { at } = await scene(t);
  const server = await startServer(t);
  const client = new SluiceClient(server.address);
  t.after(() => client.close());
  writeFiles(server.root);
  assert.equal((await client.downloadTree('', at('down'))).files, FILES.size);
  assert.deepEqual(stateOf(at('down')), stateOf(server.root));
});

test('one file that cannot be fetched does not stop the others, and is told', async (t) => {
  const { at, client, server } = await scene(t);
  writeFiles(server.at('tree'));
  // Directories are in the way.
  mkdirSync(at('down/large'), { recursive: true });
  mkdirSync(at('down/d2/e/f2'), { recursive: true });

  const told: TreeFailure[] = [];
  const result = await client.downloadTree('tree', at('down'), {
    onFailure: (failure) => told.push(failure),
  });

  assert.equal(result.files, FILES.size - 2);
  assert.equal(result.failedFiles, 2);
  assert.deepEqual(result.failures, told);
  assert.deepEqual(told.map(({ error, name }) => `${name} ${error.code}`).sort(), [
    'tree/d2/e/f2 LOCAL_IO',
    'tree/large LOCAL_IO',
  ]);
});

test('one file that cannot be sent does not stop the others, and is told', async (t) => {
  const { at, client, server } = await scene(t);
  writeFiles(at('up'));
  mkdirSync(server.at('tree/large'), { recursive: true });
  mkdirSync(server.at('tree/d2/e/f2'), { recursive: true });

  const told: TreeFailure[] = [];
  const result = await client.uploadTree(at('up'), 'tree', { onFailure: (failure) => told.push(failure) });

  assert.equal(result.files, FILES.size - 2);
  assert.deepEqual(result.failures, told);
  assert.deepEqual(told.map(({ error, name }) => `${name} ${error.code}`).sort(), [
    'tree/d2/e/f2 NOT_A_FILE',
    'tree/large NOT_A_FILE',
  ]);
});

test('of many failures the first hundred are held, and all are counted and told', async (t) => {
  const { at, client, server } = await scene(t);
  const files = new Map(Array.from({ length: 130 }, (_, i) => [`f${i}`, noise(i, 10)] as const));
  writeFiles(server.at('tree'), files);
  writeFiles(at('down'), files);
  for (const name of files.keys()) writeFileSync(at(`down/${name}`), 'another');

  let told = 0;
  const result = await client.downloadTree('tree', at('down'), {
    overwrite: false,
    onFailure: () => (told += 1),
  });

  assert.deepEqual(countsOf(result), { files: 0, bytes: 0, skippedFiles: 0, failedFiles: 130 });
  assert.equal(told, 130);
  assert.equal(result.failures.length, 100);
  assert.ok(result.failures.every(({ error }) => error.code === 'ALREADY_EXISTS'));
  assert.equal(readFileSync(at('down/f0'), 'utf8'), 'another');
});

test('symbolic links are left out both ways, and told', async (t) => {
  const { at, client, server } = await scene(t);
  for (const top of [at('up'), server.at('tree')]) {
    writeFiles(top, new Map([['file', noise(1, 100)]]));
    symlinkSync('/etc/passwd', join(top, 'link'));
  }
  const up = await client.uploadTree(at('up'), 'other');
  assert.equal(up.files, 1);
  assert.deepEqual(up.leftOut, [{ reason: 'OMISSION_SYMBOLIC_LINK', count: 1, names: [at('up/link')] }]);
  const down = await client.downloadTree('tree', at('down'));
  assert.equal(down.files, 1);
  assert.deepEqual(down.leftOut, [{ reason: 'OMISSION_SYMBOLIC_LINK', count: 1, names: ['tree/link'] }]);
  assert.equal(existsSync(at('down/link')), false);
});

test('nothing is written through a link that leads out of the directory', async (t) => {
  const { at, client, server } = await scene(t);
  writeFiles(
    server.at('tree'),
    new Map([
      ['d/small', noise(1, 100)],
      ['d/large', noise(2, 200_000)],
    ]),
  );
  mkdirSync(at('outside'));
  mkdirSync(at('down'));
  symlinkSync(at('outside'), at('down/d'));
  const { failures, files } = await client.downloadTree('tree', at('down'));
  assert.equal(files, 0);
  assert.ok(failures.length >= 2, String(failures.length));
  assert.ok(failures.every(({ error }) => error.code === 'LOCAL_IO'));
  assert.deepEqual(readdirSync(at('outside')), []);
});

test('a tree that is one file goes into the directory under its own name', async (t) => {
  const { at, client, server } = await scene(t);
  writeFiles(at(''), new Map([['a/file', noise(1, 1000)]]));
  assert.equal((await client.uploadTree(at('a/file'), 'to')).files, 1);
  assert.equal((await client.uploadTree(at('a/file'), '')).files, 1);
  assert.deepEqual(readFileSync(server.at('to/file')), readFileSync(at('a/file')));
  assert.deepEqual(readFileSync(server.at('file')), readFileSync(at('a/file')));
  assert.equal((await client.downloadTree('to/file', at('down/here'))).files, 1);
  assert.deepEqual(readFileSync(at('down/here/file')), readFileSync(at('a/file')));
});

test('what concerns the whole tree rejects', async (t) => {
  const { at, client, server } = await scene(t);
  mkdirSync(at('up'));
  await assert.rejects(client.downloadTree('nowhere', at('down')), { code: 'NOT_FOUND' });
  await assert.rejects(client.uploadTree(at('nowhere'), 'tree'), { code: 'LOCAL_IO' });
  await assert.rejects(client.downloadTree('', ''), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(client.uploadTree('', 'tree'), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(client.uploadTree(at('up'), 'tree', { parallel: 0 }), { code: 'INVALID_ARGUMENT' });
  const aborted = { signal: AbortSignal.abort() };
  await assert.rejects(client.downloadTree('', at('down'), aborted), { code: 'CANCELLED' });
  await assert.rejects(client.uploadTree(at('up'), 'tree', aborted), { code: 'CANCELLED' });
  writeFiles(at('up'));
  await server.server.stop(0);
  await assert.rejects(client.downloadTree('', at('down')), { code: 'UNAVAILABLE' });
  await assert.rejects(client.uploadTree(at('up'), 'tree'), { code: 'UNAVAILABLE' });
  client.close();
  await assert.rejects(client.downloadTree('', at('down')), { code: 'INVALID_ARGUMENT' });
});

test('a server that takes no uploads ends the call', async (t) => {
  const { at } = await scene(t);
  const server = await startServer(t);
  const client = new SluiceClient(server.address);
  t.after(() => client.close());
  writeFiles(at('up'));
  await assert.rejects(client.uploadTree(at('up'), 'tree'), { code: 'READ_ONLY' });
});

test('an aborted call keeps what has moved, and the next one does the rest', async (t) => {
  const { at, client, server } = await scene(t);
  writeFiles(server.at('tree'));
  for (const [move, top] of [
    [(options: object) => client.downloadTree('tree', at('down'), options), at('down')],
    [(options: object) => client.uploadTree(at('down'), 'back', options), server.at('back')],
  ] as const) {
    const controller = new AbortController();
    let moved = 0;
    const onFile = () => {
      moved += 1;
      controller.abort(new DOMException('late', 'TimeoutError'));
    };
    await assert.rejects(move({ signal: controller.signal, onFile }), { code: 'DEADLINE_EXCEEDED' });
    assert.ok(moved > 0);
    const { failedFiles, files, skippedFiles } = await move({});
    assert.equal(failedFiles, 0);
    assert.ok(skippedFiles >= moved, `${skippedFiles} < ${moved}`);
    assert.equal(files + skippedFiles, FILES.size);
    assert.deepEqual(stateOf(top), stateOf(server.at('tree')));
  }
});

test('what a callback throws ends the call', async (t) => {
  const { at, client, server } = await scene(t);
  writeFiles(server.at('tree'));
  mkdirSync(at('down/large'), { recursive: true });
  const cause = new Error('no');
  for (const name of ['onFile', 'onProgress', 'onFailure']) {
    let calls = 0;
    const callback = () => {
      calls += 1;
      throw cause;
    };
    const options = { [name]: callback, ignoreTimes: true };
    await assert.rejects(client.downloadTree('tree', at('down'), options), { code: 'INTERNAL', cause });
    assert.equal(calls, 1);
  }
});
