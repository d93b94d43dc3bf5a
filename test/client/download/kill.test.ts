/**
 * A client killed at any moment leaves nothing, something that resumes, or the
 * finished file. SLUICE_TEST_KILLS sets how many kills are tried.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RESUME_POINT_BYTES } from '../../../src/client/limits.ts';
import { scratchDirectory, someFile, startServer } from '../fixtures.ts';

const KILLS = Number(process.env.SLUICE_TEST_KILLS ?? 6);
const SIZE_BYTES = 1.5 * RESUME_POINT_BYTES;
const PROGRAM = fileURLToPath(new URL('./killed-download.js', import.meta.url));
const REMAINS = ['a', 'a.part', 'a.part.json', 'a.part.json.tmp', 'a.part.lock', 'a.part.lock.guard'];

function startDownload(address: string, target: string): ChildProcess {
  return spawn(process.execPath, [PROGRAM, address, target], { stdio: ['ignore', 'inherit', 'inherit'] });
}

test('leaves nothing wrong behind when it is killed at any moment', { timeout: 600_000 }, async (t) => {
  const file = someFile('v1', SIZE_BYTES);
  const directory = await scratchDirectory(t);
  const target = join(directory, 'a');
  const server = await startServer(t, { a: file });
  let resumed = 0;
  let finished = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const killAtBytes = Math.random() * SIZE_BYTES * 1.1;
    let child: ChildProcess | undefined;
    let sentBytes = 0;
    server.defaultScript = {
      messages: function* (honest) {
        for (const message of honest) {
          sentBytes += message.chunk?.byteLength ?? 0;
          if (sentBytes > killAtBytes) child?.kill('SIGKILL');
          yield message;
        }
      },
    };
    child = startDownload(server.address, target);
    const [code] = (await once(child, 'exit')) as [number | null];
    const names = await readdir(directory);
    assert.deepEqual(
      names.filter((name) => !REMAINS.includes(name)),
      [],
    );
    if (names.includes('a')) {
      assert.ok(file.content.equals(await readFile(target)), 'wrong bytes under the final name');
      await rm(target);
      finished += 1;
    } else assert.equal(code, null, 'the client ended by itself, without a file');
    if ((server.requests.at(-1)?.start ?? 0) > 0) resumed += 1;
  }
  t.diagnostic(`${KILLS} kills: ${resumed} downloads resumed a part, ${finished} were finished`);
  server.defaultScript = {};
  const [code] = (await once(startDownload(server.address, target), 'exit')) as [number | null];
  assert.equal(code, 0);
  assert.ok(file.content.equals(await readFile(target)));
  assert.deepEqual(await readdir(directory), ['a']);
});
