/** What docs/deploy tells people to do works. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
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

/** The unit in a file, with a program that is there. */
async function unitFile(t: TestContext): Promise<string> {
  const { folder } = await exampleFolder(t);
  const [unit] = (await blocksOf('systemd.md')).filter(({ mark }) => mark === 'file=sluice.service');
  assert.ok(unit !== undefined);
  const path = join(folder, 'sluice.service');
  await writeFile(path, unit.text.replaceAll('/usr/bin/sluice', join(folder, 'bin/sluice')));
  return path;
}

const needsVerifier = { skip: hasVerifier ? false : `needs ${VERIFIER}` };

test('systemd accepts the unit', needsVerifier, async (t) => {
  const { status, stderr } = spawnSync(VERIFIER, ['verify', await unitFile(t)], { encoding: 'utf8' });

  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
});

test(
  'systemd finds the unit well protected: 1.8 on a scale where 10 is exposed',
  needsVerifier,
  async (t) => {
    const args = ['security', '--offline=true', '--threshold=20', await unitFile(t)];
    const { status, stdout, stderr } = spawnSync(VERIFIER, args, { encoding: 'utf8' });

    assert.equal(status, 0, `${stdout}${stderr}`);
    assert.match(stdout, /Overall exposure level for \S+: /);
  },
);
