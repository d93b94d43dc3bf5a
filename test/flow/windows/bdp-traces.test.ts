/** The estimator on what live sessions saw through the link emulator: test/flow/traces, times in milliseconds. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { repositoryPath } from '../../../bench/harness/paths.ts';
import { KIB, MIB } from '../../../src/base/units.ts';
import { BdpEstimator } from '../../../src/flow/windows/bdp-estimator.ts';

type TraceEvent =
  | ['bytes', atMs: number, bytes: number]
  | ['ping', atMs: number]
  | ['answer', atMs: number]
  | ['measured', atMs: number, roundTripMs: number];

interface Trace {
  link: string;
  startBytes: number;
  events: TraceEvent[];
}

/** The windows in their order, the start included. */
function replay({ startBytes, events }: Trace): number[] {
  const estimator = new BdpEstimator({ startBytes, maxBytes: 64 * MIB });
  const windows = [estimator.windowBytes];
  for (const [kind, atMs, value = 0] of events) {
    if (kind === 'bytes') estimator.received(value, atMs);
    else if (kind === 'ping') estimator.pingSent(atMs);
    else if (kind === 'measured') estimator.measured(value, atMs);
    else if (estimator.pingAnswered(atMs)) windows.push(estimator.windowBytes);
  }
  return windows;
}

function trace(name: string): Trace {
  return JSON.parse(readFileSync(repositoryPath(`test/flow/traces/${name}.json`), 'utf8')) as Trace;
}

/** What is in use of a window is the half of it at least: so much window for one bandwidth-delay product. */
const WHOLE = 2;

describe('the estimator on recorded traces', () => {
  it('opens the window of a fast link of 16 ms in a few steps', () => {
    const windows = replay(trace('16-ms'));
    assert.ok((windows.at(-1) ?? 0) >= 32 * MIB, windows.join(' '));
    assert.ok(windows.length <= 10, windows.join(' '));
  });

  it('opens the window of a link of 64 ms and 100 MiB/s far enough, and no further', () => {
    const product = 0.064 * 100 * MIB;
    const last = replay(trace('64-ms-100-MiB-a-second')).at(-1) ?? 0;
    assert.ok(last >= WHOLE * product && last <= 6 * product, `${last / MIB} MiB`);
  });

  it('closes the window of a slow link until it holds half a second at most', () => {
    const last = replay(trace('16-ms-1-MiB-a-second')).at(-1) ?? 0;
    assert.ok(last <= 650 * KIB, `${last / KIB} KiB`);
  });

  it('never closes the window of a busy loopback below its start', () => {
    const windows = replay(trace('loopback'));
    assert.ok(Math.min(...windows) >= 8 * MIB, windows.join(' '));
    assert.ok(windows.length <= 8, windows.join(' '));
  });
});
