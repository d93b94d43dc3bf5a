/** A server without descriptors to spare says so, survives, and works again when there are some. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { noise, writeContent } from '../support/content.ts';
import { RawClient, receiveAll } from '../support/peers/raw-client.ts';
import { openDescriptors, scratchRoot } from '../support/scratch.ts';
import { ServerProcess } from '../support/server-process.ts';
import { MIB, testConfig } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const hasPrlimit = spawnSync('prlimit', ['--version']).status === 0;
const skip = hasPrlimit ? false : 'this machine has no prlimit command';

test('a server out of descriptors refuses what needs one, and recovers', { skip }, async (t) => {
  const root = scratchRoot(t);
  writeContent(join(root, 'file'), noise(1, 4 * MIB));
  const child = await ServerProcess.start(t, testConfig(root));
  const limit = openDescriptors(child.pid).length + 30;
  assert.equal(spawnSync('prlimit', ['--pid', String(child.pid), `--nofile=${limit}`]).status, 0);
  const client = new RawClient(child.address);
  t.after(() => client.close());
  const port = Number(child.address.split(':')[1]);

  assert.equal((await client.fetch({ fileName: 'file' })).status, 'OK');
  const seen = new Set<string>();
  for (let round = 0; round < 3; round++) {
    const sockets: Socket[] = [];
    for (let i = 0; i < 100; i++) sockets.push(connect(port, '127.0.0.1').on('error', () => {}));
    await until('the server has no descriptor left', () => openDescriptors(child.pid).length >= limit - 1);
    const calls = Array.from({ length: 60 }, () => client.stream({ fileName: 'file' }));
    for (const { status, details } of await Promise.all(calls.map((call) => receiveAll(call)))) {
      seen.add(status);
      assert(['OK', 'RESOURCE_EXHAUSTED'].includes(status), `${status}: ${details}`);
      assert(!details.includes(root), details);
    }
    for (const socket of sockets) socket.destroy();
    assert(!child.hasExited, 'the server process is gone');
    await until('the connections are gone', () => openDescriptors(child.pid).length < limit - 20);
  }
  const later = new RawClient(child.address);
  t.after(() => later.close());
  const { status, details } = await later.fetch({ fileName: 'file' });
  assert.equal(status, 'OK', details);
  assert(seen.has('RESOURCE_EXHAUSTED'), `only ${[...seen].join(', ')}: the limit was never reached`);
});
