/** What someone gets who bundles the client: one file, which runs in a folder that has nothing else. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { assertBytes, noise } from '../support/content.ts';
import { scratchRoot } from '../support/scratch.ts';
import { startServer } from '../support/test-server.ts';
import { userEnvironment as env } from './environment.ts';

const run = promisify(execFile);

/** Seen from dist/test/project. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** What esbuild's documentation has for CommonJS packages in an ES module, such as grpc-js. */
const REQUIRE =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

const CLIENTS = [
  ['esm', "import { SluiceClient } from 'sluice';"],
  ['cjs', "const { SluiceClient } = require('sluice');"],
  ['cjs', "import { SluiceClient } from 'sluice/client';"],
] as const;

const DOWNLOAD = `
const client = new SluiceClient(process.argv[2]);
client.download('model.bin', 'copy.bin').then(({ bytes }) => {
  console.log(bytes);
  client.close();
});
`;

const DOWNLOAD_TREE = `
const client = new SluiceClient(process.argv[2]);
client.downloadTree('tree', 'copy').then(({ failedFiles, files }) => {
  console.log(files, failedFiles);
  client.close();
});
`;

/** Several packs. */
const TREE_FILES = 1200;

const SERVE = `
new SluiceServer(loadConfig({ flags: { listen: '127.0.0.1:0' } }).config)
  .start()
  .catch(({ code, message }) => console.log(code, message));
`;

/** `code` and all that it imports, as one file in a folder of its own. */
async function bundled(
  t: TestContext,
  code: string,
  format: 'esm' | 'cjs',
): Promise<{ folder: string; file: string }> {
  const source = scratchRoot(t);
  await mkdir(join(source, 'node_modules'));
  await symlink(ROOT, join(source, 'node_modules/sluice'));
  const folder = scratchRoot(t);
  const file = join(folder, format === 'esm' ? 'program.mjs' : 'program.cjs');
  const options = [
    '--bundle',
    '--platform=node',
    `--format=${format}`,
    `--outfile=${file}`,
    '--log-level=error',
  ];
  if (format === 'esm') options.push(`--banner:js=${REQUIRE}`);
  const entry = join(source, 'program.js');
  await writeFile(entry, code);
  await run(join(ROOT, 'node_modules/.bin/esbuild'), [entry, ...options]);
  return { folder, file };
}

describe('a bundle', { concurrency: true }, () => {
  for (const [format, importing] of CLIENTS) {
    it(`downloads in a folder that has nothing else (${format}: ${importing})`, async (t) => {
      const server = await startServer(t);
      const content = server.write('model.bin', noise(1, 300_000));
      const { folder, file } = await bundled(t, importing + DOWNLOAD, format);

      const { stdout } = await run(process.execPath, [file, server.address], { cwd: folder, env });

      assert.equal(stdout, '300000\n');
      assertBytes(await readFile(join(folder, 'copy.bin')), content, 0);
    });
  }

  for (const [format, importing] of CLIENTS.slice(0, 2)) {
    it(`downloads a tree of small files (${format})`, async (t) => {
      const server = await startServer(t);
      await mkdir(server.at('tree'));
      for (let i = 0; i < TREE_FILES; i++) server.write(`tree/${i}`, noise(i, 4096));
      const { folder, file } = await bundled(t, importing + DOWNLOAD_TREE, format);

      const { stderr, stdout } = await run(process.execPath, [file, server.address], { cwd: folder, env });

      assert.deepEqual([stdout, stderr], [`${TREE_FILES} 0\n`, '']);
      assert.equal((await readdir(join(folder, 'copy'))).length, TREE_FILES);
    });
  }

  it('of a server says that it cannot run', async (t) => {
    const code = `import { loadConfig, SluiceServer } from 'sluice';${SERVE}`;
    const { folder, file } = await bundled(t, code, 'cjs');

    const { stdout } = await run(process.execPath, [file], { cwd: folder, env });

    assert.match(stdout, /^INVALID_CONFIG .*external/);
  });
});
