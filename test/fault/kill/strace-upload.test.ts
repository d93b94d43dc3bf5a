/** The server under strace: killed at a system call, or with one that fails. strace-upload.long.ts tries all of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cannotTrace } from '../../support/kill/strace.ts';
import { FaultBench, nameOfCase } from '../../support/kill/traced-faults.ts';
import { killAt, NEW_FILE, nameOf, recordSteps } from '../../support/kill/traced-upload.ts';

const skip = cannotTrace();

/** Between the bytes and their record, within it, and on both sides of the moment when the file gets its name. */
const KILLED_AT = [
  { pattern: /^fdatasync .*part/, behind: 0 },
  { pattern: /^pwrite64 .*journal/, behind: 0 },
  { pattern: /^link /, behind: 0 },
  { pattern: /^link /, behind: 1 },
];

test('a server killed between two system calls of an upload loses nothing', { skip }, async (t) => {
  const steps = await recordSteps(t, NEW_FILE);
  for (const { pattern, behind } of KILLED_AT) {
    // The last one has most to lose.
    const step = steps[steps.findLastIndex((step) => pattern.test(nameOf(step))) + behind];
    assert(step !== undefined, `the upload makes no call like ${pattern}`);
    await t.test(`killed at ${nameOf(step)}`, async (t) => {
      assert(await killAt(t, NEW_FILE, step), 'the call was not made this time');
    });
  }
});

const FAILING = [
  /^ENOSPC at pwrite64 .*part/,
  /^EDQUOT at pwrite64 .*part/,
  /^EDQUOT at pwrite64 .*journal/,
  /^nothing taken from here on at pwrite64 .*part/,
  /^EIO at fdatasync .*part/,
  /^EIO from here on at fdatasync .*part/,
  /^EIO at fdatasync .*journal/,
  /^EMFILE at openat .*part/,
  /^EROFS at link/,
  /^EIO at fsync/,
];

test('a server with a failing system call has the documented status and loses nothing', {
  skip,
}, async (t) => {
  const { bench, cases } = await FaultBench.create(t, NEW_FILE);
  for (const pattern of FAILING) {
    const at = cases.findLast((at) => pattern.test(nameOfCase(at)));
    assert(at !== undefined, `there is no case like ${pattern}`);
    await t.test(nameOfCase(at), async (t) => {
      assert(await bench.try(t, at), 'the call was not made this time');
    });
  }
  await bench.end();
});
