/** A tree of very many small files, most of which are there already: the client plans it in bounded memory. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { scratchDirectory } from '../support/scratch.ts';
import { SluiceProcess } from '../support/sluice-process.ts';
import { startServer } from '../support/test-server.ts';

const FILES = Number(process.env.SLUICE_TEST_TREE_FILES ?? 200_000);
const MISSING = 100;
const MAX_RSS_KIB = 250 * 1024;

test(`get -r and put -r of ${FILES} files of which ${MISSING} are missing stay small`, async (t) => {
  const server = await startServer(t, { writable: true, uploads: { minFree: 0 } });
  const cwd = scratchDirectory(t);
  // Half of them in one directory.
  const names = Array.from(
    { length: FILES },
    (_, index) => `tree/d${index < FILES / 2 ? 0 : index % 100}/file-${index}`,
  );
  fill(server.root, names);
  // With the times of the originals.
  execFileSync('cp', ['-a', join(server.root, 'tree'), cwd]);
  const missing = names.filter((_, index) => index % Math.ceil(FILES / MISSING) === 0);
  for (const [directory, args] of [
    [cwd, ['get', '-r', `${server.address}/tree`]],
    [server.root, ['put', '-r', 'tree', `${server.address}/`]],
  ] as const) {
    for (const name of missing) rmSync(join(directory, name));
    const sluice = new SluiceProcess(t, [...args, '--json'], {
      cwd,
      env: { XDG_STATE_HOME: join(cwd, 'state') },
    });
    let rssKib = 0;
    const watch = setInterval(() => {
      rssKib = Math.max(rssKib, residentKib(sluice.process.pid ?? 0));
    }, 50);
    const { code, stderr, stdout } = await sluice.outcome();
    clearInterval(watch);
    t.diagnostic(`${args[0]}: ${Math.round(rssKib / 1024)} MiB`);
    assert.equal(code, 0, stderr);
    const summary = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
    assert.equal(summary.files, missing.length);
    assert.equal(summary.skippedFiles, FILES - missing.length);
    assert.ok(rssKib > 0 && rssKib < MAX_RSS_KIB, `${rssKib} KiB`);
    const count = readdirSync(directory, { recursive: true }).filter((name) =>
      String(name).includes('/file-'),
    ).length;
    assert.equal(count, FILES);
  }
});

function fill(root: string, names: readonly string[]): void {
  for (let index = 0; index < 100; index += 1) mkdirSync(join(root, `tree/d${index}`), { recursive: true });
  for (const name of names) closeSync(openSync(join(root, name), 'w'));
}

/** What a process holds; 0 when it has ended. */
function residentKib(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
