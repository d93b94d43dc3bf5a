import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { directReadsWork } from '../../../src/flow/self-tests/direct-read-test.ts';
import { until } from '../../support/until.ts';

describe('the self-test of direct reads', () => {
  it('passes on this Node with the pinned grpc-js', async () => {
    assert.equal(await directReadsWork(), true);
  });

  it('leaves no socket behind', async () => {
    await directReadsWork();
    const left = () =>
      process.getActiveResourcesInfo().filter((resource) => /TCP|Pipe.*Socket/.test(resource));
    await until('all sockets closed', () => left().length === 0);
  });
});
