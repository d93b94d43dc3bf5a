/** What owners of calls use, counted against limits. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Access } from '../../src/access/access.ts';
import { parseAccess } from '../../src/access/access-file.ts';
import { ANONYMOUS } from '../../src/access/identity.ts';
import { FilePolicy } from '../../src/access/policy.ts';
import { Counters } from '../../src/base/counters/counters.ts';
import { Accounts } from '../../src/service/prelude/accounts.ts';

function accountsWith(limit: object): Accounts {
  const rules = parseAccess(JSON.stringify({ limits: [{ who: ['everyone'], ...limit }] }), 'test');
  const access = { policy: new FilePolicy(rules), onChange() {} } as unknown as Access;
  return new Accounts(access, new Counters());
}

it('an address has one account, and a peer without an address one of its own', () => {
  const accounts = accountsWith({ each: { streams: 1 } });
  const enter = (owner: string | null) => accounts.enter(ANONYMOUS, owner);
  enter('10.0.0.1').take('streams');
  assert.throws(() => enter('10.0.0.1').take('streams'), /may have 1 downloads/);
  enter('10.0.0.2').take('streams');
  const alone = enter(null);
  alone.take('streams');
  enter(null).take('streams');
  assert.throws(() => alone.take('streams'), /may have 1 downloads/);
});

it('what all may have together holds until the last of them is gone', () => {
  const accounts = accountsWith({ together: { streams: 1 } });
  const first = accounts.enter(ANONYMOUS, '10.0.0.1');
  first.take('streams');
  const second = accounts.enter(ANONYMOUS, '10.0.0.2');
  assert.throws(() => second.take('streams'), /together/);
  second.leave();
  assert.throws(() => accounts.enter(ANONYMOUS, '10.0.0.3').take('streams'), /together/);
  first.give('streams');
  first.leave();
  accounts.enter(ANONYMOUS, '10.0.0.2').take('streams');
});

it('a call costs as much of a rate as 256 KiB, and a hundred a second are always allowed', () => {
  const callsInASecond = (rate?: string): number => {
    const owner = accountsWith({ each: { streams: 1, ...(rate === undefined ? {} : { rate }) } }).enter(
      ANONYMOUS,
      '10.0.0.1',
    );
    const startMs = 1000;
    let calls = 0;
    while (calls < 10_000 && owner.payForCall(startMs) < startMs + 1000) calls += 1;
    return calls;
  };
  // A tenth of a second ahead.
  assert.equal(callsInASecond('64MiB'), 282);
  assert.equal(callsInASecond('1KiB'), 110);
  assert.equal(callsInASecond(), 10_000);
});

it('an owner that is ahead of its rate is so with its next call too, when nothing of it was left meanwhile', () => {
  const accounts = accountsWith({ each: { rate: '8MiB' } });
  const nowMs = performance.now();
  const call = () => {
    const owner = accounts.enter(ANONYMOUS, '10.0.0.1');
    const fromMs = owner.payForCall(nowMs);
    owner.leave();
    return fromMs;
  };
  for (let calls = 0; calls < 200; calls += 1) call();
  assert.ok(call() > nowMs + 1000);
});
