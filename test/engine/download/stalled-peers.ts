/** Peers that do not read by themselves. */
import assert from 'node:assert/strict';
import type { Engine } from '../../../src/engine/engine.ts';
import { requestOf, type SourceFile } from '../../support/test-engine.ts';
import { until } from '../../support/until.ts';
import { MemoryOutlet } from './memory-outlet.ts';

/** Sends the file to a peer that reads what the test has it read; how that ends is of no interest. */
export function beginRange(engine: Engine, file: SourceFile): MemoryOutlet {
  const outlet = new MemoryOutlet('by hand');
  void engine
    .sendRange(requestOf(file), outlet)
    .run()
    .catch(() => {});
  return outlet;
}

/** A peer that reads gets the file beside a hundred that never do. */
export async function readsBesideStalled(engine: Engine, file: SourceFile): Promise<void> {
  const stalled = Array.from({ length: 100 }, () => beginRange(engine, file));
  await until('all first writes', () => stalled.every((outlet) => outlet.pending !== undefined));
  const healthy = new MemoryOutlet('next turn');
  await engine.sendRange(requestOf(file), healthy).run();
  assert.ok(healthy.received.equals(file.bytes));
}
