import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Command, measureCommands } from '../../bench/harness/commands.ts';

/** A program that is busy for so long, and holds so much. */
function busy(ms: number, mib: number): Command {
  const script = `
    const held = Buffer.alloc(${mib} * 2 ** 20, 1);
    const end = process.cpuUsage().user + ${ms} * 1000;
    while (process.cpuUsage().user < end);
    process.exitCode = held.length > 0 ? 0 : 1;`;
  return [process.execPath, '-e', script];
}

test('commands are measured as one, with their processor time and the most that one of them held', async () => {
  const { clientCpuSeconds, clientPeakRssMib, seconds, serverCpuSeconds } = await measureCommands(
    [busy(300, 256), busy(300, 1)],
    process,
  );
  assert.ok((clientCpuSeconds as number) >= 0.6, `CPU: ${clientCpuSeconds}`);
  // What runs here is the server of this test: its ended children are the commands.
  assert.ok((serverCpuSeconds as number) >= (clientCpuSeconds as number));
  assert.ok((clientPeakRssMib as number) >= 256, `RSS: ${clientPeakRssMib}`);
  assert.ok((seconds as number) > 0);
});

test('a command that fails is no measurement', async () => {
  await assert.rejects(
    measureCommands([[process.execPath, '-e', 'process.exit(3)']], process),
    /failed \(3\)/,
  );
});
