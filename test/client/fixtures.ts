/** What the client's tests share: content, clients that retry fast, scratch directories, collected streams. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { SluiceClient } from '../../src/client/client.ts';
import type { ClientOptions } from '../../src/client/options.ts';
import { until as boundedUntil } from '../support/until.ts';
import type { ScriptedFile } from './download/honest-messages.ts';
import { ScriptedServer } from './download/scripted-server.ts';

export const CHUNK_BYTES = 16 * 1024;

/** Random content; 20 chunks and a bit unless told otherwise. */
export function someFile(version = 'v1', bytes = 20 * CHUNK_BYTES + 123): ScriptedFile {
  return { content: randomBytes(bytes), version };
}

export async function startServer(
  t: TestContext,
  files: Record<string, ScriptedFile>,
): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(files);
  t.after(() => server.close());
  return server;
}

/** A client with a connection of its own, small chunks and short waits. */
export function clientOf(
  t: TestContext,
  target: ScriptedServer | string | string[],
  options: ClientOptions = {},
): SluiceClient {
  const client = new SluiceClient(
    typeof target === 'string' || Array.isArray(target) ? target : target.address,
    {
      chunkBytes: CHUNK_BYTES,
      ownConnection: true,
      ...options,
      retry: { initialBackoffMs: 1, maxBackoffMs: 5, outageMs: 0, ...options.retry },
    },
  );
  t.after(() => client.close());
  return client;
}

export async function scratchDirectory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sluice-client-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

export interface Failure extends Error {
  code?: string;
  version?: string;
}

/** The error of a promise that must reject. */
export async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  try {
    await promise;
  } catch (reason) {
    return reason as Failure;
  }
  throw new Error('it succeeded');
}

/** Lets the event loop turn until `condition` holds; rejects, with its text, when that takes too long. */
export async function until(condition: () => boolean): Promise<void> {
  await boundedUntil(condition.toString(), condition);
}
