/** A server whose disk does not answer any more ends all the same, and the next one has what was acknowledged. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Child } from '../../../src/cli/process/child.ts';
import { SluiceClient } from '../../../src/client/client.ts';
import { cannotTrace } from '../../support/kill/strace.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { MAIN } from '../../support/sluice-process.ts';
import { startChild } from '../../support/start-child.ts';
import { until, within } from '../../support/until.ts';

const skip = cannotTrace();

/** Longer than any test runs. */
const NEVER_US = 600_000_000;

/** So many looks in a row, each some milliseconds after the other, at the same thread: it is not just being traced. */
const STUCK_LOOKS = 40;

/** Whether a thread of the process has been held by its tracer for a while; asked again and again. */
function stuckThreadOf(pid: number): () => boolean {
  const looks = new Map<string, number>();
  return () => {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const isHeld = /^State:\tt/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8'));
      looks.set(thread, isHeld ? (looks.get(thread) ?? 0) + 1 : 0);
    }
    return [...looks.values()].some((count) => count >= STUCK_LOOKS);
  };
}

/** Its tracer still holds the thread that was stuck, so the parent hears of the end no sooner than that is gone. */
function hasEnded({ hasEnded, pid }: Child): boolean {
  return hasEnded || /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

for (const call of ['fdatasync', 'pwrite64']) {
  test(`a server ends although a call of ${call} never returns`, { skip }, async (t) => {
    const directory = scratchDirectory(t);
    const root = join(directory, 'root');
    mkdirSync(root);
    const args = ['serve', root, '--writable', '--listen', '127.0.0.1:0', '--shutdown-grace', '0'];
    const server = startChild(t, process.execPath, [MAIN, ...args]);
    const [, address = ''] = await within('the server is ready', server.says(/ready on (\S+),/));
    const fault = `inject=${call}:delay_enter=${NEVER_US}`;
    const trace = ['-f', '-o', join(directory, 'trace'), '-e', `trace=${call}`, '-e', fault];
    const strace = startChild(t, 'strace', [...trace, '-p', String(server.pid)]);
    await within('strace attaches', strace.says(/ attached/));
    const client = new SluiceClient(address, { retry: { attempts: 1 } });
    t.after(() => client.close());
    const upload = client.upload(randomBytes(4 * 2 ** 20), 'file').then(
      () => 'done',
      () => 'failed',
    );
    await until('a call is stuck', stuckThreadOf(server.pid));
    server.process.kill('SIGTERM');
    await until('the server ends', () => hasEnded(server));
    assert.match(server.stdout + server.stderr, /a system call does not return/);
    assert.equal(await upload, 'failed');
  });
}
