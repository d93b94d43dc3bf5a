import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { GeneratedDirectory, shareOut, takeSample } from '../../../src/cli/tune/sample.ts';
import { SluiceClient } from '../../../src/client/client.ts';
import { lines, noise } from '../../support/content.ts';
import { KIB, MIB, startServer } from '../../support/test-server.ts';

const anyFiles = fc
  .array(fc.nat(10_000), { maxLength: 8 })
  .map((sizes) => sizes.map((size, index) => ({ name: `f${index}`, size })));

test('no file gives more than it has, all together no more than the bound, and nothing of it is left unused', () => {
  fc.assert(
    fc.property(anyFiles, fc.nat(50_000), (files, mostBytes) => {
      const shares = shareOut(files, mostBytes);
      for (const { bytes, name } of shares)
        assert.ok(bytes > 0 && bytes <= (files.find((file) => file.name === name)?.size ?? 0));
      const taken = shares.reduce((sum, { bytes }) => sum + bytes, 0);
      const there = files.reduce((sum, { size }) => sum + size, 0);
      assert.ok(taken <= mostBytes);
      assert.ok(taken >= Math.min(there, mostBytes) - files.length);
    }),
  );
});

test('the largest files are taken, from directories below as well', async (t) => {
  const server = await startServer(t);
  mkdirSync(join(server.root, 'deep'));
  for (let size = 1; size <= 20; size += 1) server.write(`deep/${size}`, noise(size, size * KIB));
  server.write('empty', noise(0, 0));
  const client = new SluiceClient(server.address);
  t.after(() => client.close());
  const { bytes, files, isCompressible } = await takeSample(client, MIB, new AbortController().signal);
  assert.deepEqual(
    files.map(({ name }) => name),
    [20, 19, 18, 17, 16, 15, 14, 13].map((size) => `deep/${size}`),
  );
  assert.equal(bytes, 132 * KIB);
  assert.equal(isCompressible, false);
});

test('text is found to be compressible', async (t) => {
  const server = await startServer(t);
  server.write('a.txt', lines(64 * KIB));
  const client = new SluiceClient(server.address);
  t.after(() => client.close());
  assert.equal((await takeSample(client, MIB, new AbortController().signal)).isCompressible, true);
});

test('a directory without files gives a sample of nothing', async (t) => {
  const server = await startServer(t);
  const client = new SluiceClient(server.address);
  t.after(() => client.close());
  assert.equal((await takeSample(client, MIB, new AbortController().signal)).bytes, 0);
});

test('a generated directory is gone once removed', () => {
  const directory = new GeneratedDirectory();
  writeFileSync(join(directory.path, 'more'), '');
  directory.remove();
  directory.remove();
  assert.ok(!existsSync(directory.path));
});
