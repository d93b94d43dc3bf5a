import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { noise, writeContent } from '../../support/content.ts';
import { RawClient } from '../../support/peers/raw-client.ts';
import { scratchDirectory, scratchRoot } from '../../support/scratch.ts';
import { MIB } from '../../support/test-server.ts';
import { until } from '../../support/until.ts';
import { SeveralProcesses } from './several-processes.ts';

const CONTENT = noise(1, 3 * MIB + 17);

test('SIGHUP changes what is live in all processes, and replaces them for the rest, without a refused connection', async (t) => {
  const root = scratchRoot(t);
  writeContent(join(root, 'file'), CONTENT);
  const file = join(scratchDirectory(t), 'sluice.yaml');
  const settings = (streams: number, minSize: string) =>
    writeFileSync(file, `limits: {streams: ${streams}}\ncompression: {minSize: ${minSize}}\n`);
  settings(100, '1KiB');
  const server = await SeveralProcesses.start(t, { root, args: ['--config', file] });
  const before = server.pids();

  settings(50, '1KiB');
  server.primary.process.kill('SIGHUP');
  const said = () => server.primary.stderr.split('limits.streams: 50 → 25').length - 1;
  await until('both processes have reloaded', () => said() === 2);
  assert.deepEqual(server.pids(), before);

  let isOver = false;
  let calls = 0;
  const load = Promise.all(
    Array.from({ length: 2 }, async () => {
      while (!isOver) {
        const client = new RawClient(server.address);
        const { bytes, code, details, status } = await client.fetch({ fileName: 'file' });
        client.close();
        assert.equal(status, 'OK', `${code} ${details}`);
        assert.equal(bytes.length, CONTENT.size);
        calls += 1;
      }
    }),
  );
  load.catch(() => {}); // Awaited below.
  settings(50, '2KiB');
  server.primary.process.kill('SIGHUP');
  await server.primary.says(/"msg":"the processes are replaced"/);
  await server.replaced(before);
  isOver = true;
  await load;
  assert.ok(calls > 0);
  t.diagnostic(`${calls} calls, each on a connection of its own`);
});
