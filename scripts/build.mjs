/**
 * Compiles src, workers, bench and test into dist/, incrementally, and makes the
 * page of the admin listener: one script and one style sheet for the browser.
 *
 * Output whose source is gone is removed, so that a deleted test does not run
 * for ever and nothing stale is packed. The command is made executable, which
 * npm does only for an installed package.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const COMMAND = join(DIST, 'src/cli/sluice.cjs');
const COMPILER = join(ROOT, 'node_modules/typescript/bin/tsc');

const { status } = spawnSync(process.execPath, [COMPILER], { cwd: ROOT, stdio: 'inherit' });
removeStaleOutput();
buildPage();
if (existsSync(COMMAND)) chmodSync(COMMAND, 0o755);
process.exitCode = status ?? 1;

function buildPage() {
  const from = join(ROOT, 'page');
  const to = join(DIST, 'page');
  mkdirSync(to, { recursive: true });
  for (const name of ['index.html', 'icon.svg']) copyFileSync(join(from, name), join(to, name));
  buildSync({
    entryPoints: [join(from, 'main.ts'), join(from, 'style.css')],
    outdir: to,
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['es2023', 'chrome120', 'firefox120', 'safari17'],
    // The license of uPlot, which is a part of it.
    banner: { js: `/*!\n${readFileSync(join(ROOT, 'node_modules/uplot/LICENSE'), 'utf8')}*/` },
    logLevel: 'warning',
  });
}

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
