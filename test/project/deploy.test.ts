/** What docs/deploy tells people to do works. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { codeBlocksIn } from './code-blocks.ts';
import { exampleFolder, ROOT, runShell } from './examples.ts';

const VERIFIER = 'systemd-analyze';
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const hasVerifier = spawnSync(VERIFIER, ['--version']).status === 0;

async function blocksOf(page: string) {
  return codeBlocksIn(await readFile(join(ROOT, 'docs/deploy', page), 'utf8'));
}

test('the commands of the TLS page make certificates that a server and a client accept', {
  skip: hasOpenssl ? false : 'needs openssl',
}, async (t) => {
  const { output } = await runShell(t, await blocksOf('tls.md'));

  assert.match(output, /^server\.pem: OK$/m);
  assert.match(output, /^client\.pem: OK$/m);
  assert.match(output, /^identical$/m);
});

test('systemd accepts the unit', { skip: hasVerifier ? false : `needs ${VERIFIER}` }, async (t) => {
  const { folder } = await exampleFolder(t);
  const [unit] = (await blocksOf('systemd.md')).filter(({ mark }) => mark === 'file=sluice.service');
  assert.ok(unit !== undefined);
  const path = join(folder, 'sluice.service');
  await writeFile(path, unit.text.replaceAll('/usr/bin/sluice', join(folder, 'bin/sluice')));

  const { status, stderr } = spawnSync(VERIFIER, ['verify', path], { encoding: 'utf8' });

  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
});
