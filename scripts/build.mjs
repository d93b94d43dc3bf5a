/**
 * Compiles src, workers, bench and test into dist/, incrementally.
 *
 * Output whose source is gone is removed, so that a deleted test does not run
 * for ever and nothing stale is packed. The command is made executable, which
 * npm does only for an installed package.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const COMMAND = join(DIST, 'src/cli/sluice.cjs');
const COMPILER = join(ROOT, 'node_modules/typescript/bin/tsc');

const { status } = spawnSync(process.execPath, [COMPILER], { cwd: ROOT, stdio: 'inherit' });
removeStaleOutput();
if (existsSync(COMMAND)) chmodSync(COMMAND, 0o755);
process.exitCode = status ?? 1;

function hasSource(stem) {
  return ['.ts', '.cts'].some((extension) => existsSync(join(ROOT, `${stem}${extension}`)));
}

function removeStaleOutput() {
  for (const entry of readdirSync(DIST, { recursive: true, withFileTypes: true })) {
    const output = join(entry.parentPath, entry.name);
    const stem = relative(DIST, output).match(/^(.*?)(\.d\.c?ts|\.c?js|\.c?js\.map)$/)?.[1];
    if (stem !== undefined && !hasSource(stem)) rmSync(output, { force: true });
  }
}
