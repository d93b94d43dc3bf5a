/** A transfer is worth more than the lines about it: whoever reads them may leave. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { scratchDirectory } from '../../support/scratch.ts';
import { runSluice, SluiceProcess } from '../../support/sluice-process.ts';
import { startServer } from '../../support/test-server.ts';

const FILES = 5;
const skip = process.platform === 'linux' ? false : 'only Linux has /dev/full';

function writeFiles(directory: string): void {
  for (let index = 0; index < FILES; index++) writeFileSync(join(directory, `file-${index}`), 'some bytes');
}

test('a tree is fetched and sent to its end when nobody reads what is said about it', async (t) => {
  const server = await startServer(t, { writable: true });
  const source = scratchDirectory(t);
  const target = join(scratchDirectory(t), 'target');
  writeFiles(source);
  const { address } = server;
  for (const args of [
    ['put', '-r', '-v', source, `${address}/a`],
    ['put', '-r', '--json', source, `${address}/b`],
    ['get', '-r', '-v', address, '-o', target],
    ['rm', '-r', '-v', `${address}/a`],
  ]) {
    const sluice = new SluiceProcess(t, args);
    sluice.process.stdout?.destroy();
    sluice.process.stderr?.destroy();
    assert.equal((await sluice.outcome()).code, 0, args.join(' '));
  }
  assert.equal(readdirSync(server.at('b')).length, FILES);
  assert.equal(readdirSync(target, { recursive: true }).length, 2 + 2 * FILES);
});

test('results that a full disk does not take are an error at the end; messages are not', {
  skip,
}, async (t) => {
  const server = await startServer(t, { writable: true });
  writeFiles(server.root);
  const full = openSync('/dev/full', 'w');
  t.after(() => closeSync(full));
  const target = join(scratchDirectory(t), 'target');
  const get = ['get', '-r', server.address, '-o', target];
  const said = await runSluice(t, [...get, '--json'], { stdout: full });
  assert.equal(said.code, 7);
  assert.match(said.stderr, /standard output cannot be written: ENOSPC/);
  assert.equal(readdirSync(target).length, FILES);
  assert.equal((await runSluice(t, [...get, '-v'], { stderr: full })).code, 0);
  assert.equal((await runSluice(t, ['ls', `${server.address}/absent`], { stderr: full })).code, 3);
});
