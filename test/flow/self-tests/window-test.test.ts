import assert from 'node:assert/strict';
import { it } from 'node:test';
import { windowsWork } from '../../../src/flow/self-tests/window-test.ts';

for (const side of ['client', 'server'] as const) {
  it(`windows of live sessions can be changed on this version of Node, on a ${side}`, async () => {
    assert.equal(await windowsWork(side), true);
  });
}
