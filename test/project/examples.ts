/**
 * Runs the examples of a page, in a scratch folder where sluice is installed as a
 * user installs it. Node 20 does not run TypeScript: a TypeScript example is
 * checked as such and run as JavaScript.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { patient } from '../support/until.ts';
import type { CodeBlock } from './code-blocks.ts';
import { userEnvironment } from './environment.ts';
import { served } from './served.ts';

const run = promisify(execFile);

/** Seen from dist/test/project. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const COMMAND = join(ROOT, 'dist/src/cli/sluice.cjs');
const COMPILER = join(ROOT, 'node_modules/typescript/bin/tsc');
/** Where the pages serve; their servers get a free port instead. */
const DEFAULT_ADDRESS = '127.0.0.1:50051';
const FREE_ADDRESS = '127.0.0.1:0';
const TIMEOUT_MS = 60_000;

export interface ExampleFolder {
  folder: string;
  env: NodeJS.ProcessEnv;
}

/** An empty folder with sluice and gRPC in its node_modules, and the command in the PATH, until the test ends. */
export async function exampleFolder(t: TestContext): Promise<ExampleFolder> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-example-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'bin'));
  await symlink(COMMAND, join(folder, 'bin/sluice'));
  await mkdir(join(folder, 'node_modules'));
  await symlink(ROOT, join(folder, 'node_modules/sluice'));
  for (const name of ['@types', '@grpc', 'prom-client']) {
    await symlink(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  }
  const path = [join(folder, 'bin'), join(ROOT, 'node_modules/.bin'), userEnvironment.PATH].join(delimiter);
  return {
    folder,
    env: {
      ...userEnvironment,
      PATH: path,
      SLUICE_LISTEN: FREE_ADDRESS,
      SLUICE_ADMIN_LISTEN: 'off',
      XDG_STATE_HOME: folder,
    },
  };
}

export interface ShellRun {
  folder: string;
  /** What the commands printed. */
  output: string;
}

/**
 * Runs the shell blocks of a page in their order: those marked `run` end with 0,
 * the one marked `serve` runs beside those after it. Files that others refer to,
 * marked `file=NAME`, are there from the beginning.
 */
export async function runShell(t: TestContext, blocks: readonly CodeBlock[]): Promise<ShellRun> {
  const { folder, env } = await exampleFolder(t);
  for (const { mark, text } of blocks) {
    if (mark.startsWith('file=')) await writeFile(join(folder, mark.slice('file='.length)), text);
  }
  let address = DEFAULT_ADDRESS;
  let output = '';
  for (const { mark, text } of blocks.filter(({ language }) => language === 'sh')) {
    if (mark === 'serve') {
      const script = text.replaceAll(DEFAULT_ADDRESS, FREE_ADDRESS);
      address = await served(t, 'sh', ['-ec', script], { cwd: folder, env });
    } else if (mark === 'run') {
      const script = text.replaceAll(DEFAULT_ADDRESS, address);
      const { stdout } = await run('sh', ['-ec', script], { cwd: folder, env, timeout: patient(TIMEOUT_MS) });
      output += stdout;
    }
  }
  return { folder, output };
}

/** Rejects with what the compiler says. */
export async function checkTypes(t: TestContext, examples: readonly CodeBlock[]): Promise<void> {
  const { folder } = await exampleFolder(t);
  const names = examples.map((_, index) => `example-${index}.mts`);
  for (const [index, { text }] of examples.entries())
    await writeFile(join(folder, `example-${index}.mts`), text);
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2023', '--module', 'nodenext'];
  await run(process.execPath, [COMPILER, ...options, '--types', 'node', ...names], { cwd: folder }).catch(
    ({ stdout }: { stdout: string }) => {
      throw new Error(`an example has wrong types:\n${stdout}`);
    },
  );
}

/** Rejects when the example throws. What it says of the default address is said of `server`. */
export async function runExample(
  t: TestContext,
  text: string,
  server = DEFAULT_ADDRESS,
): Promise<{ folder: string; stdout: string }> {
  const { folder, env } = await exampleFolder(t);
  await writeFile(join(folder, 'example.mjs'), text.replaceAll(DEFAULT_ADDRESS, server));
  const options = { cwd: folder, env, timeout: patient(TIMEOUT_MS) };
  const { stdout } = await run(process.execPath, ['example.mjs'], options);
  return { folder, stdout };
}
