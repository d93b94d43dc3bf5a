/** Each system call of an upload, start to publication and abort, is the last one of its server; or fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cannotTrace } from '../support/strace.ts';
import { FaultBench, nameOfCase } from '../support/traced-faults.ts';
import { killAt, nameOf, recordSteps, SCENARIOS } from '../support/traced-upload.ts';

const skip = cannotTrace();

for (const scenario of SCENARIOS) {
  test(`a server killed at any call of ${scenario.title} loses nothing`, { skip }, async (t) => {
    const steps = await recordSteps(t, scenario);
    let met = 0;
    for (const step of steps) {
      await t.test(`killed at ${nameOf(step)}`, async (t) => {
        if (await killAt(t, scenario, step)) met += 1;
      });
    }
    t.diagnostic(`${met} of ${steps.length} calls were the last one`);
    assert(met > steps.length / 2);
  });

  test(`a server with any failing call of ${scenario.title} loses nothing`, { skip }, async (t) => {
    const { bench, cases } = await FaultBench.create(t, scenario);
    let met = 0;
    for (const at of cases) {
      await t.test(nameOfCase(at), async (t) => {
        if (await bench.try(t, at)) met += 1;
      });
    }
    await bench.end();
    t.diagnostic(`${met} of ${cases.length} calls failed`);
    assert(met > cases.length / 2);
  });
}
