/**
 * Floods from a process of their own against a server in another, with a third
 * that asks for the size of a file beside them.
 *
 * Each runs in two modes: plain, and secured, which is over TLS, by an identity
 * with a token, while metrics are scraped each second.
 *
 * SLUICE_TEST_FLOOD_SECONDS (3) and SLUICE_TEST_FLOOD_CONNECTIONS (20) say how
 * long and how wide; SLUICE_TEST_FLOODS names some of them, with commas, and
 * SLUICE_TEST_FLOOD_MODES one of the modes.
 * SLUICE_TEST_FLOOD_QUIET=1 also judges how fast the server answers meanwhile,
 * which takes a machine that does nothing else.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cannotBe, MODES, type Security, scrape, securityOf } from '../support/peers/secured.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { SMALL_HEAP } from '../support/server-process.ts';
import { startChild } from '../support/start-child.ts';
import { until, within } from '../support/until.ts';

const SECONDS = Number(process.env.SLUICE_TEST_FLOOD_SECONDS ?? 3);
const CONNECTIONS = Number(process.env.SLUICE_TEST_FLOOD_CONNECTIONS ?? 20);
const NAMES = process.env.SLUICE_TEST_FLOODS?.split(',');
const CHOSEN_MODES = process.env.SLUICE_TEST_FLOOD_MODES?.split(',');
const IS_QUIET = process.env.SLUICE_TEST_FLOOD_QUIET === '1';

const MIB = 1024 * 1024;
const MAX_GROWTH_BYTES = 96 * MIB;
const MAX_LOG_BYTES = 8 * MIB;
const MAX_SLOWER = 10;
const BACK_WITHIN_MS = 2000;
/** Its start-up is over, and its memory settled. */
const IDLE_MS = 2000;

interface Flood {
  /** The name in test/support/peers/flood-child.ts. */
  name: string;
  /** Whoever does it loses the connection within seconds, also on a busy machine. */
  closesOffenders: boolean;
  /** How fast the server answers meanwhile is bounded. */
  staysFast: boolean;
}

const FLOODS: readonly Flood[] = [
  { name: 'expanding', closesOffenders: true, staysFast: false },
  { name: 'resets', closesOffenders: true, staysFast: false },
  { name: 'incomplete', closesOffenders: false, staysFast: true },
  { name: 'empty', closesOffenders: false, staysFast: true },
  { name: 'bombs', closesOffenders: false, staysFast: true },
  { name: 'listings', closesOffenders: false, staysFast: true },
  { name: 'names', closesOffenders: false, staysFast: true },
  { name: 'asks', closesOffenders: false, staysFast: true },
  { name: 'cancels', closesOffenders: false, staysFast: true },
  { name: 'credits', closesOffenders: false, staysFast: true },
];

const SLUICE = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const FLOOD_CHILD = fileURLToPath(new URL('../support/peers/flood-child.js', import.meta.url));
const PROBE_CHILD = fileURLToPath(new URL('../support/peers/probe-child.js', import.meta.url));

/** The command as a user runs it, but for the bound of its heap. */
async function startServer(t: TestContext, files: number, security: Security | undefined) {
  const root = scratchDirectory(t);
  writeFileSync(join(root, 'file'), 'x'.repeat(1000));
  for (let i = 0; i < files; i++) writeFileSync(join(root, `${'n'.repeat(100)}${i}`), '');
  const args = ['serve', root, '--listen', '127.0.0.1:0', '--writable', '--log-format', 'json'];
  args.push('--admin-listen', '127.0.0.1:0');
  if (security !== undefined) {
    const { access, cert, key } = security;
    args.push('--tls-cert', cert, '--tls-key', key, '--access', access);
  }
  const child = startChild(t, process.execPath, [SMALL_HEAP, SLUICE, ...args]);
  let logBytes = 0;
  for (const output of ['stdout', 'stderr'] as const) {
    child.process[output]?.on('data', (text: string) => {
      logBytes += text.length;
    });
  }
  const [, address = ''] = await child.says(/ready on (\S+),/);
  const [, admin = ''] = await child.says(/"address":"([^"]+)","msg":"metrics and probes are served"/);
  const memoryBytes = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024;
  return { child, address, admin, memoryBytes, logBytes: () => logBytes };
}

/** The times of its answers since the last look, in milliseconds; -1 for none. */
function startProbe(t: TestContext, address: string, proof: readonly string[]): () => number[] {
  // The probe ends with its input.
  const child = startChild(t, process.execPath, [PROBE_CHILD, address, 'file', ...proof], { stdio: 'pipe' });
  let seen = 0;
  return () => {
    const times = child.stdout.split('\n').slice(seen, -1).map(Number);
    seen += times.length;
    return times;
  };
}

function p99(times: readonly number[]): number {
  const sorted = times.map((ms) => (ms < 0 ? Number.POSITIVE_INFINITY : ms)).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)] ?? Number.POSITIVE_INFINITY;
}

const RUNS = MODES.filter((mode) => CHOSEN_MODES?.includes(mode) ?? true).flatMap((mode) =>
  FLOODS.filter(({ name }) => NAMES?.includes(name) ?? true).map((flood) => ({ ...flood, mode })),
);

for (const { name, mode, closesOffenders, staysFast } of RUNS) {
  const title = `a ${mode} server stays up and small through ${name} on ${CONNECTIONS} connections`;
  test(title, { skip: cannotBe(mode) }, async (t) => {
    const security = securityOf(t, mode, ['flooder', 'probe']);
    // The last arguments of a child: the authority, and a token.
    const proofOf = (who: string) =>
      security === undefined ? [] : [security.cert, security.proofOf(who).token];
    const files = name === 'listings' ? 20_000 : 0;
    const server = await within('the server is ready', startServer(t, files, security));
    const answers = startProbe(t, server.address, proofOf('probe'));
    const scraped = security && scrape(t, server.admin, security);
    await sleep(IDLE_MS);
    const idleMs = p99(answers().slice(5));
    const before = { memory: server.memoryBytes(), log: server.logBytes() };
    let peakBytes = before.memory;
    const watch = setInterval(() => {
      peakBytes = Math.max(peakBytes, server.memoryBytes());
    }, 50);
    t.after(() => clearInterval(watch));
    const args = [name, server.address, String(SECONDS), String(CONNECTIONS), ...proofOf('flooder')];
    const flood = startChild(t, process.execPath, [FLOOD_CHILD, ...args]);
    await within('the flood ends', flood.ended, (SECONDS + 30) * 1000);
    const during = answers();
    const endMs = performance.now();
    await until('the probe is answered', () => answers().some((ms) => ms >= 0));
    const backMs = performance.now() - endMs;
    clearInterval(watch);
    const metrics = await scraped?.();
    const sent = JSON.parse(flood.stdout) as { opened: number; closed: number; sentBytes: number };
    const growth = peakBytes - before.memory;
    const logged = server.logBytes() - before.log;
    t.diagnostic(
      `${name}, ${mode}: RSS ${(before.memory / MIB).toFixed(0)} + ${(growth / MIB).toFixed(0)} MiB, answers in ${idleMs} ms idle, ` +
        `${p99(during)} ms meanwhile (p99 of ${during.length}), back after ${backMs.toFixed(0)} ms, ` +
        `${sent.closed} of ${sent.opened} connections closed, ${(sent.sentBytes / MIB).toFixed(1)} MiB sent, log ${(logged / MIB).toFixed(1)} MiB` +
        (metrics === undefined ? '' : `, ${metrics.count} scrapes`),
    );
    assert(!server.child.hasEnded, 'the server is gone');
    // Its directory goes before other hooks of the test.
    await server.child.end();
    assert(growth <= MAX_GROWTH_BYTES, `memory grew by ${growth} bytes`);
    assert(backMs <= BACK_WITHIN_MS, `the first answer came after ${backMs} ms`);
    assert(logged <= MAX_LOG_BYTES, `the log grew by ${logged} bytes`);
    if (metrics !== undefined) {
      assert.deepEqual(metrics.failures, []);
      assert(metrics.count > 0, 'nobody got the metrics');
    }
    if (closesOffenders) assert(sent.closed > 0, 'no connection was closed');
    if (staysFast && IS_QUIET) {
      assert(p99(during) <= MAX_SLOWER * idleMs, `${p99(during)} ms beside ${idleMs} ms`);
    }
  });
}
