import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { planTree } from '../../../../src/client/tree/download/download-plan.ts';
import { runDownloads } from '../../../../src/client/tree/download/download-run.ts';
import type { RunObserver } from '../../../../src/client/tree/run/run.ts';
import { SluiceClient } from '../../../../src/index.ts';
import { noise } from '../../../support/content.ts';
import { scratchDirectory } from '../../../support/scratch.ts';
import { MIB, startServer } from '../../../support/test-server.ts';

const QUIET: RunObserver = { progress() {}, finished() {}, failed() {} };

const thrown = new Error('the observer is broken');
const thrower = () => {
  throw thrown;
};

for (const event of ['progress', 'finished'] as const) {
  test(`a run whose observer throws at "${event}" leaves nothing but files behind`, async (t) => {
    const server = await startServer(t);
    mkdirSync(server.at('tree'));
    for (let i = 0; i < 50; i++) server.write(`tree/small-${i}`, noise(i, 100));
    server.write('tree/zlarge', noise(100, MIB));
    const client = new SluiceClient(server.address);
    t.after(() => client.close());
    const target = join(scratchDirectory(t), 'tree');
    const plan = runDownloads((context) => planTree({ client, name: 'tree' }, target, context), {
      observer: { ...QUIET, [event]: thrower, failed: thrower },
      parallel: 2,
      signal: new AbortController().signal,
      ignoreTimes: false,
      transfer: {},
      packClient: client,
    });
    await assert.rejects(plan, /the observer is broken/);
    const left = readdirSync(target).filter((entry) => !/^(small-\d+|zlarge(\.part.*)?)$/.test(entry));
    assert.deepEqual(left, []);
  });
}
