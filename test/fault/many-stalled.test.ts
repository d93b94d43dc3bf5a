/** Many readers that stop must not take the slabs from one that reads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertComplete } from '../support/check-stream.ts';
import { noise } from '../support/content.ts';
import { firstMessage } from '../support/peers/raw-client.ts';
import { KIB, MIB, startServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const STALLED = 220;

for (const zeroCopy of [true, false]) {
  test(`${STALLED} stalled readers with large windows do not hold up one that reads (zero copy: ${zeroCopy})`, async (t) => {
    const server = await startServer(t, { stream: { stallTimeout: 600_000 } }, { zeroCopy });
    server.write('file', noise(1, 4 * MIB));
    const stalling = Array.from({ length: 11 }, () =>
      server.client({ 'grpc-node.flow_control_window': 256 * KIB }),
    );
    const calls = Array.from({ length: STALLED }, (_, i) => {
      const call = stalling[i % stalling.length]?.stream({ fileName: 'file', wantDetails: i % 2 === 0 });
      assert(call);
      return call;
    });
    await Promise.all(calls.map((call) => firstMessage(call)));
    await until('every window is used up', () => {
      const { jobsOutstanding, jobsWaiting } = server.server.stats();
      return jobsOutstanding === 0 && jobsWaiting === 0;
    });

    const content = server.write('other', noise(2, 16 * MIB));
    const request = { fileName: 'other', wantChecksums: true };
    const received = await server.client().fetch(request);
    assertComplete(received, { request, content, chunkBytes: 64 * KIB });
    assert.equal(server.server.stats().transfers, STALLED);
    for (const call of calls) call.cancel();
    await server.untilIdle();
  });
}
