/** Two servers of one directory that are killed in turn, under downloads that go on with the other one. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { SluiceClient } from '../../../src/client/client.ts';
import { noise, writeContent } from '../content.ts';
import { scratchDirectory, scratchRoot } from '../scratch.ts';
import { ServerProcess } from '../server-process.ts';
import { KIB, MIB, testConfig } from '../test-server.ts';
import { within } from '../until.ts';

const CONTENT = noise(1, 24 * MIB + 321);

/** Of a download to a path. */
const MOST_CONNECTIONS = 4;

/** What an interrupted attempt may have had beyond what was verified: chunks that wait to be checked. */
const IN_FLIGHT_BYTES = 2 * MIB;

const LAST_TRANSFER_MS = 120_000;

export interface KillPlan {
  /** At the same time. */
  downloads: number;
  /** With one behind the other, downloads begin until the last kill. */
  kills: number;
  killEveryMs: number;
}

export async function serversKilledInTurn(t: TestContext, plan: KillPlan): Promise<void> {
  const root = scratchRoot(t);
  writeContent(join(root, 'file'), CONTENT);
  const digest = digestOf(join(root, 'file'));
  const copies = scratchDirectory(t);
  const servers = await Promise.all([1, 2].map(() => ServerProcess.start(t, testConfig(root))));
  const client = new SluiceClient(
    servers.map(({ address }) => address),
    { compression: 'never', chunkBytes: 64 * KIB, windowBytes: 256 * KIB, ownConnection: true },
  );
  t.after(() => client.close());
  assert.equal(await client.getFileSize('file'), CONTENT.size);

  const outcome = { downloads: 0, attempts: 0, repeatedBytes: 0 };
  let isOver = false;
  const downloading = Promise.all(
    Array.from({ length: plan.downloads }, async (_, index) => {
      // Every other one in stripes.
      const path = index % 2 === 0 ? undefined : join(copies, `${index}`);
      do {
        const hash = createHash('sha256');
        const { attempts, restarts, wireBytes } = await client.download('file', path ?? hash);
        const received = path === undefined ? (hash.read() as Buffer).toString('hex') : digestOf(path);
        if (path !== undefined) rmSync(path);
        assert.equal(received, digest);
        assert.equal(restarts, 0);
        const repeatedBytes = wireBytes - CONTENT.size;
        // A connection that is given up is no further attempt.
        const lost = attempts - 1 + (path === undefined ? 0 : MOST_CONNECTIONS - 1);
        assert.ok(
          repeatedBytes <= lost * IN_FLIGHT_BYTES,
          `${repeatedBytes} bytes again, ${attempts} attempts`,
        );
        outcome.downloads += 1;
        outcome.attempts += attempts;
        outcome.repeatedBytes += repeatedBytes;
      } while (!isOver);
    }),
  );
  downloading.catch(() => {}); // Awaited below, after the kills.
  for (let kill = 0; kill < plan.kills; kill += 1) {
    await pause(plan.killEveryMs);
    const victim = kill % servers.length;
    const { address } = servers[victim] as ServerProcess;
    await (servers[victim] as ServerProcess).end('SIGKILL');
    servers[victim] = await ServerProcess.start(t, testConfig(root, { listen: address }));
  }
  isOver = true;
  await within('all downloads complete', downloading, LAST_TRANSFER_MS);
  t.diagnostic(JSON.stringify(outcome));
  assert.ok(outcome.attempts > outcome.downloads, 'no download was interrupted');
}

function digestOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
