/** Transfers through a server and clients that are killed at random moments, for as many kills as asked for. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SluiceClient } from '../../../src/client/client.ts';
import { assertBytes, type Content, joined, lines, noise, writeContent } from '../content.ts';
import { scratchDirectory, scratchRoot } from '../scratch.ts';
import { Random, seedOf } from '../seed.ts';
import { ServerProcess } from '../server-process.ts';
import { startChild } from '../start-child.ts';
import { MIB, testConfig } from '../test-server.ts';
import { within } from '../until.ts';

const FETCH_CHILD = fileURLToPath(new URL('./fetch-child.js', import.meta.url));
const TRANSFER_LIMIT_MS = 120_000;
const SLOW_GZIP = { compression: { level: 9 } };

/** Compresses slowly, so that a kill nearly always meets a transfer. */
const CONTENT = joined(lines(12 * MIB), noise(1, 8 * MIB), lines(8 * MIB));

/** Large enough for resume records, which the client writes every 64 MiB. */
const LARGE_CONTENT = noise(2, 160 * MIB + 4321);

/** Downloads again and again until the server was killed `kills` times; every file must be right. */
export async function serverKilled(t: TestContext, kills: number): Promise<void> {
  const random = new Random(seedOf(t));
  const root = scratchRoot(t);
  writeContent(join(root, 'file'), CONTENT);
  let server = await ServerProcess.start(t, testConfig(root, SLOW_GZIP));
  const config = testConfig(root, { ...SLOW_GZIP, listen: server.address });
  const client = new SluiceClient(server.address, {
    ownConnection: true,
    chunkBytes: 64 * 1024,
    retry: { attempts: 1000, initialBackoffMs: 5, maxBackoffMs: 50 },
  });
  t.after(() => client.close());
  // A server that was never reached is not waited for.
  assert.equal(await client.getFileSize('file'), CONTENT.size);
  const target = join(scratchDirectory(t), 'copy');
  let killed = 0;
  while (killed < kills) {
    let isDone = false;
    const transfer = client.download('file', target).finally(() => {
      isDone = true;
    });
    transfer.catch(() => {}); // Awaited below, after the kills.
    while (!isDone && killed < kills) {
      await pause(random.between(1, 150));
      if (isDone) break;
      await server.end('SIGKILL');
      killed += 1;
      server = await ServerProcess.start(t, config);
    }
    const result = await within('the transfer ends', transfer, TRANSFER_LIMIT_MS);
    assert.equal(result.bytes, CONTENT.size);
    assertCopy(target, CONTENT);
  }
  t.diagnostic(`the server was killed ${killed} times`);
}

/**
 * Starts the client again and again, killing it `kills` times, the last time with a resume record on disk;
 * the next run must take over what the record says, and the file must be right.
 */
export async function clientKilled(t: TestContext, kills: number): Promise<void> {
  const random = new Random(seedOf(t));
  const root = scratchRoot(t);
  writeContent(join(root, 'file'), LARGE_CONTENT);
  const server = await ServerProcess.start(t, testConfig(root));
  const target = join(scratchDirectory(t), 'copy');
  const record = `${target}.part.json`;
  let killed = 0;
  while (killed < kills || !existsSync(record)) {
    const args = [FETCH_CHILD, server.address, 'file', target];
    const child = startChild(t, process.execPath, args, { stdio: 'inherit' });
    const awaited = random.pick([record, `${target}.part`]);
    while (!existsSync(awaited) && !child.hasEnded) await pause(2);
    await pause(random.between(0, 150));
    await within('the client ends', child.end(), TRANSFER_LIMIT_MS);
    const { exitCode, signalCode } = child.process;
    if (signalCode === 'SIGKILL') killed += 1;
    else assert.equal(exitCode, 0);
    if (existsSync(target)) assertCopy(target, LARGE_CONTENT);
  }
  const client = new SluiceClient(server.address);
  t.after(() => client.close());
  const { bytes, resumedBytes } = await client.download('file', target);
  assert.equal(bytes, LARGE_CONTENT.size);
  assertCopy(target, LARGE_CONTENT);
  assert(resumedBytes > 0, 'nothing was taken over');
  t.diagnostic(`the client was killed ${killed} times; the last run took over ${resumedBytes} bytes`);
}

function assertCopy(target: string, content: Content): void {
  const copy = readFileSync(target);
  assert.equal(copy.length, content.size);
  assertBytes(copy, content, 0);
  rmSync(target);
}

/** When a kill comes is what these tests vary; nothing is waited for. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
