/** Where a server's files are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceServer } from '../../src/server/server.ts';
import { MemoryStore } from '../support/stores/memory-store.ts';
import { startServer, testConfig } from '../support/test-server.ts';

test('a writable server with a store, and none for uploads, does not start and says so', async () => {
  const server = new SluiceServer(testConfig('/', { writable: true }), { store: new MemoryStore() });
  await assert.rejects(server.start(), { code: 'INVALID_CONFIG', message: /store of uploads/ });
});

test('a server that is not writable puts nothing into the store that it was given', async (t) => {
  const server = await startServer(t, {}, { store: 'memory' });
  const { code } = await server.client().unary('StartUpload', { fileName: 'a' });
  assert.equal(code, 'READ_ONLY');
  assert.equal(server.memory?.uploads.size, 0);
});
