/** How long a client waits between attempts, and when it stops. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metadata, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { TransferError } from '../../../src/base/errors.ts';
import { RetryBudget } from '../../../src/client/connection/retry.ts';

const OPTIONS = { attempts: 10, outageMs: 0, initialBackoffMs: 100, maxBackoffMs: 10_000 };
const STALLED = new TransferError('STALLED', 'nothing moves');

test('waits at most twice as long each time, and never longer than the maximum', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), (failures) => {
      const budget = new RetryBudget({ ...OPTIONS, attempts: 100 });
      for (let failure = 1; failure <= failures; failure++) {
        const waitMs = budget.spend(STALLED, true) ?? Number.NaN;
        assert.ok(waitMs >= 0 && waitMs <= Math.min(10_000, 100 * 2 ** (failure - 1)));
      }
    }),
  );
});

test('counts attempts without progress only', () => {
  const budget = new RetryBudget({ ...OPTIONS, attempts: 3 });
  for (let round = 0; round < 5; round++) {
    budget.refill();
    for (const _attempt of [0, 1, 2]) assert.notEqual(budget.spend(STALLED, true), undefined);
  }
  assert.equal(budget.spend(STALLED, true), undefined);
});

test('is patient with a server that was there before, and not with one that never was', () => {
  const gone = new TransferError('UNAVAILABLE', 'gone');
  const known = new RetryBudget({ ...OPTIONS, outageMs: 3_600_000 });
  for (let failure = 0; failure < 50; failure++) assert.notEqual(known.spend(gone, true), undefined);
  // No time for a restart either.
  const unknown = new RetryBudget(OPTIONS);
  const waits = [1, 2, 3].map(() => unknown.spend(gone, false));
  assert.deepEqual(
    waits.map((waitMs) => waitMs === undefined),
    [false, false, true],
  );
});

test('gives a server that was never there the time of a restart', () => {
  const gone = new TransferError('UNAVAILABLE', 'gone');
  const patient = { ...OPTIONS, outageMs: 3_600_000, initialBackoffMs: 3_600_000 };
  const budget = new RetryBudget({ ...patient, attempts: 100 });
  for (let failure = 0; failure < 50; failure++) assert.notEqual(budget.spend(gone, false), undefined);
  // Unless it was told to try less often.
  assert.equal(new RetryBudget({ ...patient, attempts: 1 }).spend(gone, false), undefined);
});

function askedToWait(pushbackMs: string): TransferError {
  const metadata = new Metadata();
  metadata.set('grpc-retry-pushback-ms', pushbackMs);
  const cause = Object.assign(new Error('busy'), {
    code: status.RESOURCE_EXHAUSTED,
    details: 'busy',
    metadata,
  });
  return new TransferError('RESOURCE_EXHAUSTED', 'busy', { cause });
}

test('waits as long as the server asks, within the maximum', () => {
  assert.ok((new RetryBudget(OPTIONS).spend(askedToWait('5000'), true) ?? 0) >= 5000);
  assert.equal(new RetryBudget(OPTIONS).spend(askedToWait('3600000'), true), 10_000);
  assert.equal(new RetryBudget(OPTIONS).spend(askedToWait('-1'), true), undefined);
  assert.ok((new RetryBudget(OPTIONS).spend(askedToWait('soon'), true) ?? 101) <= 100);
});
