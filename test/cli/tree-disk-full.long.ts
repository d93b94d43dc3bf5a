/** Trees of small files onto disks that are too small, on either side: no half file, and on when there is room. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { noise } from '../support/content.ts';
import { cannotMount, remount, smallRoot } from '../support/kill/mounted.ts';
import { scratchRoot } from '../support/scratch.ts';
import { runSluice } from '../support/sluice-process.ts';
import { KIB, MIB, startServer } from '../support/test-server.ts';

const FILES = 600;
const SIZE = 8 * KIB;
/** For half of them. */
const ROOM = (FILES * SIZE) / 2;

function makeTree(t: TestContext): { root: string; files: Map<string, Buffer> } {
  const root = scratchRoot(t);
  const files = new Map<string, Buffer>();
  for (let i = 0; i < FILES; i++) files.set(`d${i % 7}/file-${i}`, noise(i, SIZE).bytes(0, SIZE));
  for (const [name, bytes] of files) {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), bytes);
  }
  return { root, files };
}

function wholeFiles(root: string, files: ReadonlyMap<string, Buffer>): number {
  let count = 0;
  for (const [name, bytes] of files) {
    if (!existsSync(join(root, name))) continue;
    assert.ok(readFileSync(join(root, name)).equals(bytes), `${name} is not whole`);
    count += 1;
  }
  return count;
}

describe('a tree for which there is no room', { skip: cannotMount() }, () => {
  it('is fetched as far as it goes, and to its end when there is', async (t) => {
    const { files, root } = makeTree(t);
    const server = await startServer(t, {}, { root });
    const to = smallRoot(t, ROOM);
    const args = ['get', '-r', `${server.address}/`, '-o', to, '--quiet'];
    const full = await runSluice(t, args);
    assert.notEqual(full.code, 0);
    assert.match(full.stderr, /the disk is full; free space and run/);
    const some = wholeFiles(to, files);
    assert.ok(some > 0 && some < FILES, `${some}`);
    remount(to, `size=${16 * MIB}`);
    const rest = await runSluice(t, args);
    assert.equal(rest.code, 0, rest.stderr);
    assert.equal(wholeFiles(to, files), FILES);
  });

  it('is sent as far as it goes, and to its end when there is', async (t) => {
    const { files, root } = makeTree(t);
    const to = smallRoot(t, ROOM);
    const server = await startServer(t, { writable: true, uploads: { minFree: 0 } }, { root: to });
    const args = ['put', '-r', `${root}/.`, `${server.address}/`, '--quiet'];
    const full = await runSluice(t, args);
    assert.notEqual(full.code, 0);
    assert.match(full.stderr, /full|no space/i);
    const some = wholeFiles(to, files);
    assert.ok(some < FILES, `${some}`);
    remount(to, `size=${16 * MIB}`);
    const rest = await runSluice(t, args);
    assert.equal(rest.code, 0, rest.stderr);
    assert.equal(wholeFiles(to, files), FILES);
  });
});
