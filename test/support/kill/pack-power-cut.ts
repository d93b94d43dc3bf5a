/** Packs to a disk whose power is cut: what was acknowledged is there, and no file is torn. */
import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { visibleFiles } from '../../storage/local/uploads/scratch-uploads.ts';
import type { Random } from '../seed.ts';
import { assertFiles, note, PackWriterProcess } from './kill-pack.ts';
import { Disk } from './power-cut.ts';

/** Writes until the power is cut; throws what that lost. Resolves with the number of packs that were acknowledged. */
export async function packsThroughPowerCut(
  t: TestContext,
  random: Random,
  sync: 'batched' | 'none',
): Promise<number> {
  const disk = new Disk(t);
  const writer = new PackWriterProcess(disk.root, 0, sync);
  await writer.begun();
  await delay(random.between(1, 1500));
  // What is read from here on may be a lie: a kernel may call a sync that was under way a success.
  const numbers = writer.acknowledged();
  disk.shutDown();
  await writer.end();
  disk.unmount();
  disk.mount();
  const acknowledged = new Map<string, number>();
  note(numbers, acknowledged);
  try {
    assertFiles(visibleFiles(disk.root), acknowledged);
  } finally {
    spawnSync('sync', ['-f', disk.root]);
    disk.remove();
  }
  return numbers.length;
}
