import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { zeroCopyWorks } from '../../../src/flow/self-tests/zero-copy-test.ts';
import { until } from '../../support/until.ts';

describe('the self-test of zero copy', () => {
  it('passes on this Node with the pinned grpc-js', async () => {
    assert.equal(await zeroCopyWorks(), true);
  });

  it('leaves no socket behind', async () => {
    await zeroCopyWorks();
    const sockets = () =>
      process.getActiveResourcesInfo().filter((resource) => /TCP|Pipe.*Socket/.test(resource));
    await until('all sockets closed', () => sockets().length === 0);
  });
});
