/** Each system call of an upload, start to publication and abort, is the last one of its server; or fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cannotTrace } from '../../support/kill/strace.ts';
import { FaultBench, nameOfCase } from '../../support/kill/traced-faults.ts';
import {
  killAt,
  killTwice,
  nameOf,
  recordRecovery,
  recordSteps,
  SCENARIOS,
  type Step,
} from '../../support/kill/traced-upload.ts';

const skip = cannotTrace();
/** Of all there are, spread over the upload; for a short run. */
const MOST = Number(process.env.SLUICE_TEST_KILLS ?? Number.POSITIVE_INFINITY);

function some<T>(all: readonly T[]): T[] {
  const stride = Math.max(1, all.length / MOST);
  return all.filter((_, index) => Math.floor(index / stride) > Math.floor((index - 1) / stride));
}

for (const scenario of SCENARIOS) {
  test(`a server killed at any call of ${scenario.title} loses nothing`, { skip }, async (t) => {
    const steps = some(await recordSteps(t, scenario));
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
    const tried = some(cases);
    for (const at of tried) {
      await t.test(nameOfCase(at), async (t) => {
        if (await bench.try(t, at)) met += 1;
      });
    }
    await bench.end();
    t.diagnostic(`${met} of ${tried.length} calls failed`);
    assert(met > tried.length / 2);
  });
}

/** Where a second server finds most to mend: bytes without a record, half a name, a name without a record. */
const TO_MEND = [/^pwrite64 .*journal/, /^link /, /^unlink /, /^rename /];

for (const scenario of SCENARIOS.filter(({ aborts }) => !aborts)) {
  test(`a server killed while it mends what a killed one left of ${scenario.title} loses nothing`, {
    skip,
  }, async (t) => {
    const steps = await recordSteps(t, scenario);
    const pairs: { first: Step; second: Step }[] = [];
    for (const pattern of TO_MEND) {
      const at = steps.findLastIndex((step) => pattern.test(nameOf(step)));
      // The call itself is not made; the one behind it finds it made.
      for (const first of at < 0 ? [] : steps.slice(at, at + 2)) {
        const recovery = await recordRecovery(t, scenario, first);
        pairs.push(...recovery.map((second) => ({ first, second })));
      }
    }
    for (const { first, second } of some(pairs)) {
      await t.test(`killed at ${nameOf(first)}, then at ${nameOf(second)}`, async (t) => {
        await killTwice(t, scenario, first, second);
      });
    }
  });
}
