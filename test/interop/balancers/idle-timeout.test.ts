/** Streams on which nothing moves for longer than a balancer waits. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Logger, silentLogger } from '../../../src/base/logger.ts';
import { noise } from '../../support/content.ts';
import { scratchRoot } from '../../support/scratch.ts';
import { MIB } from '../../support/test-server.ts';
import { until } from '../../support/until.ts';
import { BALANCERS, lacks, startScene } from './scene.ts';

const CONTENT = noise(3, 2 * MIB).bytes(0, 2 * MIB);

for (const name of BALANCERS) {
  test(`${name}: an upload whose source has nothing to send outlives the idle timeout by keep-alive messages`, {
    skip: lacks(name),
  }, async (t) => {
    const roots = [scratchRoot(t, 'one'), scratchRoot(t, 'two')] as const;
    const settings = { writable: true };
    const scene = await startScene(t, { name, roots, settings, affinity: true, idleTimeout: '1s' });
    const told = { kept: 0, silent: 0 };
    const isWaiting = { kept: false, silent: false };
    const upload = (fileName: 'kept' | 'silent', keepAliveMs: number) => {
      const logger: Logger = {
        ...silentLogger,
        info: () => {
          told[fileName] += 1;
        },
      };
      async function* pieces() {
        yield CONTENT.subarray(0, MIB);
        isWaiting[fileName] = true;
        await until('the silent one is cut', () => told.silent > 0);
        yield CONTENT.subarray(MIB);
      }
      return scene.client({ keepAliveMs, logger }).upload(pieces(), fileName);
    };

    const kept = upload('kept', 100);
    await until('it has nothing more to send', () => isWaiting.kept);
    // The other one begins later, and is cut for being idle.
    await Promise.all([kept, upload('silent', 0)]);

    assert.equal(told.kept, 0);
    const stored = roots.flatMap((root) => {
      try {
        return [readFileSync(join(root, 'kept'))];
      } catch {
        return [];
      }
    });
    assert.deepEqual(stored, [CONTENT]);
  });
}
