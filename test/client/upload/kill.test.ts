/**
 * A client killed at any moment leaves an upload that resumes, or the finished
 * file. SLUICE_TEST_KILLS sets how many kills are tried.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { scene } from './scene.ts';

const KILLS = Number(process.env.SLUICE_TEST_KILLS ?? 2);
/** Enough for two connections. */
const SIZE_BYTES = 65 * 1024 * 1024;
const PROGRAM = fileURLToPath(new URL('./killed-upload.js', import.meta.url));

function startUpload(address: string, source: string): ChildProcess {
  return spawn(process.execPath, [PROGRAM, address, source], { stdio: ['ignore', 'inherit', 'inherit'] });
}

test('leaves nothing wrong behind when it is killed at any moment', { timeout: 600_000 }, async (t) => {
  const { pathOf, peer, records } = await scene(t);
  const content = randomBytes(SIZE_BYTES);
  const source = pathOf(content);
  let resumed = 0;
  let finished = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const killAtBytes = Math.random() * SIZE_BYTES * 1.1;
    const startsBefore = peer.callsOf('StartUpload');
    let child: ChildProcess | undefined;
    let bytes = 0;
    peer.onMessage = ({ chunk }) => {
      bytes += chunk.byteLength;
      if (bytes > killAtBytes) child?.kill('SIGKILL');
    };
    child = startUpload(peer.address, source);
    const [code] = (await once(child, 'exit')) as [number | null];
    const file = peer.files.get('a');
    if (file !== undefined) {
      assert.ok(content.equals(file.content), 'wrong bytes under the final name');
      peer.files.clear();
      finished += 1;
    } else assert.equal(code, null, 'the client ended by itself, without a file');
    if (bytes > 0 && peer.callsOf('StartUpload') === startsBefore) resumed += 1;
  }
  t.diagnostic(`${KILLS} kills: ${resumed} runs resumed an upload, ${finished} were finished`);
  peer.onMessage = () => {};
  const [code] = (await once(startUpload(peer.address, source), 'exit')) as [number | null];
  assert.equal(code, 0);
  assert.ok(content.equals(peer.files.get('a')?.content ?? Buffer.alloc(0)));
  assert.deepEqual(records(), []);
});
