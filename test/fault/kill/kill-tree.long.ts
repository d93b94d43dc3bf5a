/**
 * Trees whose client or server is killed again and again on the way, with small
 * files in packs and large ones by themselves. Each file is whole or not there
 * after every kill, and the tree is right in the end.
 *
 * SLUICE_TEST_TREE_KILLS (3) says how many kills of each kind; SLUICE_TEST_SEED
 * repeats a run.
 */
import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { noise } from '../../support/content.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { Random, seedOf } from '../../support/seed.ts';
import { SluiceProcess } from '../../support/sluice-process.ts';

const KILLS = Number(process.env.SLUICE_TEST_TREE_KILLS ?? 3);
const DIRECTORIES = 12;
const FILES = 40;
/** At the most, from the start of the command to its kill: somewhat longer than the whole takes. */
const MOST_MS = 2500;

/** Names below the tree, with their contents. */
function makeTree(root: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (let d = 0; d < DIRECTORIES; d++) {
    for (let f = 0; f < FILES; f++) {
      const size = f === 0 ? 3_000_000 : (f * 977) % 9000;
      files.set(`d${d}/f${f}`, noise(d * 1000 + f, size).bytes(0, size));
    }
  }
  for (const [name, bytes] of files) {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), bytes);
  }
  return files;
}

/** Every file that is there under its name is whole; returns how many there are. */
function wholeFiles(root: string, files: ReadonlyMap<string, Buffer>): number {
  let count = 0;
  for (const [name, bytes] of files) {
    const path = join(root, name);
    if (!existsSync(path)) continue;
    assert.ok(readFileSync(path).equals(bytes), `${name} is not whole`);
    count += 1;
  }
  return count;
}

/** Names below `root` that are not of the tree, without the server's own. */
function strangers(root: string, files: ReadonlyMap<string, Buffer>): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (name) => !files.has(name) && !lstatSync(join(root, name)).isDirectory() && !name.startsWith('.sluice-'),
  );
}

async function startServer(t: TestContext, root: string, address: string): Promise<[SluiceProcess, string]> {
  const server = new SluiceProcess(t, ['serve', root, '--writable', '--listen', address]);
  const [ready] = await server.says(/127\.0\.0\.1:\d+/);
  return [server, ready];
}

for (const direction of ['get', 'put'] as const) {
  for (const victim of ['client', 'server'] as const) {
    test(`${direction} -r gets its tree right though its ${victim} is killed ${KILLS} times`, async (t) => {
      const random = new Random(seedOf(t));
      const [from, to] = [scratchDirectory(t), scratchDirectory(t)];
      const files = makeTree(from);
      let [server, address] = await startServer(t, direction === 'get' ? from : to, '127.0.0.1:0');
      const args =
        direction === 'get'
          ? ['get', '-r', `${address}/`, '-o', to, '--quiet']
          : ['put', '-r', `${from}/.`, `${address}/`, '--quiet'];
      let found = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        const client = new SluiceProcess(t, args);
        await Promise.race([client.ended, sleep(random.between(0, MOST_MS))]);
        if (victim === 'client') {
          await client.end('SIGKILL');
        } else {
          await server.end('SIGKILL');
          [server] = await startServer(t, direction === 'get' ? from : to, address);
        }
        await client.ended;
        found = wholeFiles(to, files);
      }
      t.diagnostic(`${found} of ${files.size} files were there after the last kill`);
      const { code, stderr } = await new SluiceProcess(t, args).outcome();
      assert.equal(code, 0, stderr);
      assert.equal(wholeFiles(to, files), files.size);
      assert.deepEqual(strangers(to, files), []);
      for (const name of files.keys()) {
        const [original, copy] = [statSync(join(from, name)), statSync(join(to, name))];
        assert.equal(copy.mode, original.mode);
        assert.ok(Math.abs(copy.mtimeMs - original.mtimeMs) < 2, name);
      }
    });
  }
}
