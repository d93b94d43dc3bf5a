import assert from 'node:assert/strict';
import { it } from 'node:test';
import { windowsWork } from '../../src/flow/window-test.ts';

it('windows of live sessions can be changed on this version of Node, on either side', async () => {
  assert.equal(await windowsWork(), true);
});
