import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Logger, silentLogger } from '../../src/base/logger.ts';
import { KIB, MIB } from '../../src/base/units.ts';
import { configSchema } from '../../src/config/schema.ts';
import { ReceiveWindows } from '../../src/flow/receive-windows.ts';
import { StaticWindows } from '../../src/flow/static-windows.ts';
import { uploadWindows } from '../../src/server/upload-windows.ts';

const WRITABLE = { writable: true, limits: { uploadStreams: 256 } };

function never(): Promise<boolean> {
  throw new Error('there is nothing to test');
}

test('uploads get windows that follow the link where that works', async () => {
  const windows = await uploadWindows(configSchema.parse(WRITABLE), silentLogger, async () => true);
  assert.ok(windows instanceof ReceiveWindows);
  windows.close();
});

test('where it does not work, uploads get a size within the budget, and the log a warning', async () => {
  const warnings: object[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields) => void warnings.push(fields) };
  const config = configSchema.parse({ ...WRITABLE, uploads: { windowBudget: 64 * MIB } });
  const windows = await uploadWindows(config, logger, async () => false);
  assert.ok(windows instanceof StaticWindows);
  assert.equal(windows.stats().largestWindowBytes, 256 * KIB);
  assert.deepEqual(warnings, [{ node: process.version, windowBytes: 256 * KIB }]);
});

test('a size that is set is not tested', async () => {
  const config = configSchema.parse({ ...WRITABLE, uploads: { window: '2MiB' } });
  const windows = await uploadWindows(config, silentLogger, never);
  assert.equal(windows.stats().largestWindowBytes, 2 * MIB);
});

test('a server that takes no uploads tests nothing', async () => {
  await uploadWindows(configSchema.parse({}), silentLogger, never);
});
