/** Processes of a server that are killed in turn, under transfers that go on with the others. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { SluiceClient } from '../../../src/client/client.ts';
import { assertBytes, noise, writeContent } from '../../support/content.ts';
import { scratchDirectory, scratchRoot } from '../../support/scratch.ts';
import { Random, seedOf } from '../../support/seed.ts';
import { MIB } from '../../support/test-server.ts';
import { within } from '../../support/until.ts';
import { SeveralProcesses } from './several-processes.ts';

const CONTENT = noise(1, 24 * MIB + 321);
const LAST_TRANSFER_MS = 120_000;

export interface KillPlan {
  readonly processes: number;
  /** Of each direction, at the same time. */
  readonly transfers: number;
  /** With one behind the other, transfers begin until the last kill. */
  readonly kills: number;
  readonly killEveryMs: number;
}

/** Every transfer ends with the right bytes, whichever processes it had. */
export async function processesKilledInTurn(t: TestContext, plan: KillPlan): Promise<void> {
  const random = new Random(seedOf(t));
  const root = scratchRoot(t);
  writeContent(join(root, 'file'), CONTENT);
  const args = ['--writable', '--uploads-min-free', '0', '--uploads-sync-interval', '10ms'];
  const server = await SeveralProcesses.start(t, { root, processes: plan.processes, args });
  const source = join(scratchDirectory(t), 'source');
  writeContent(source, CONTENT);
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex');
  const outcome = { downloads: 0, uploads: 0, attempts: 0 };
  let isOver = false;
  const client = () => {
    const made = new SluiceClient(server.address, { compression: 'never', ownConnection: true });
    t.after(() => made.close());
    return made;
  };
  const downloading = async () => {
    const own = client();
    do {
      const hash = createHash('sha256');
      const { attempts } = await own.download('file', hash);
      assert.equal((hash.read() as Buffer).toString('hex'), digest);
      outcome.downloads += 1;
      outcome.attempts += attempts;
    } while (!isOver);
  };
  const uploading = async (_: unknown, at: number) => {
    const own = client();
    for (let file = 0; file === 0 || !isOver; file += 1) {
      const name = `uploads/${at}/${file}`;
      const { attempts } = await own.upload(source, name);
      assertBytes(readFileSync(join(root, name)), CONTENT, 0, name);
      outcome.uploads += 1;
      outcome.attempts += attempts;
    }
  };
  const all = Promise.all([
    ...Array.from({ length: plan.transfers }, downloading),
    ...Array.from({ length: plan.transfers }, uploading),
  ]);
  all.catch(() => {}); // Awaited below, after the kills.
  for (let kill = 0; kill < plan.kills; kill += 1) {
    await pause(plan.killEveryMs);
    const pids = server.pids();
    const victim = pids[random.between(0, pids.length - 1)] as number;
    process.kill(victim, 'SIGKILL');
    await server.replaced([victim]);
  }
  isOver = true;
  await within('all transfers complete', all, LAST_TRANSFER_MS);
  t.diagnostic(JSON.stringify(outcome));
  assert.ok(outcome.attempts > outcome.downloads + outcome.uploads, 'no transfer was interrupted');
}
