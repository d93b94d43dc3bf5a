/** A session on an exchange server of the test, which must have kept to the contract in the end. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { SluiceSession } from '../../../src/client/exchange/session.ts';
import type { ClientOptions } from '../../../src/client/options.ts';
import type { ScriptedFile } from '../download/honest-messages.ts';
import { clientOf } from '../fixtures.ts';
import { ExchangeServer } from './exchange-server.ts';

export async function scene(
  t: TestContext,
  files: Record<string, ScriptedFile> = {},
  options: ClientOptions = {},
): Promise<{ server: ExchangeServer; session: SluiceSession }> {
  const server = await ExchangeServer.start(t, files);
  const session = clientOf(t, server.address, options).session();
  t.after(async () => {
    await session[Symbol.asyncDispose]();
    assert.deepEqual(server.violations, []);
  });
  return { server, session };
}
