import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { clientOf, collect, someFile, startServer } from '../fixtures.ts';
import type { Script } from './scripted-server.ts';

/** A client gets the right bytes from a server whose first call goes by `script`, with one more call. */
export async function fetchesInTwoCalls(t: TestContext, script: Script): Promise<void> {
  const file = someFile();
  const server = await startServer(t, { a: file });
  server.scripts.push(script);
  assert.deepEqual(await collect(clientOf(t, server).stream('a')), file.content);
  assert.equal(server.requests.length, 2);
}
