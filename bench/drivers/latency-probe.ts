/**
 * Asks for a file's size every 5 ms over a connection of its own and reports
 * how long the answers took. A late answer does not delay the next question,
 * so that a server that hangs is seen in every question of that time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../harness/statistics.ts';
import { StockClient } from '../peers/stock-client.ts';
import { answer, type ProbeRequest, parseRequest } from './protocol.ts';

const INTERVAL_MS = 5;

/** Unmeasured questions that make the connection and warm the probe up. */
const WARM_UP_CALLS = 50;

const { target, token, file, seconds } = parseRequest<ProbeRequest>();
const client = new StockClient(target, 'default', { token });
for (let call = 0; call < WARM_UP_CALLS; call += 1) await client.getFileSize(file);

const latenciesMs: number[] = [];
const pending: Promise<void>[] = [];

async function ask(): Promise<void> {
  const startMs = performance.now();
  await client.getFileSize(file);
  latenciesMs.push(performance.now() - startMs);
}

const timer = setInterval(() => pending.push(ask()), INTERVAL_MS);
await sleep(seconds * 1000);
clearInterval(timer);
await Promise.all(pending);

answer({
  event: 'report',
  calls: latenciesMs.length,
  p50Ms: percentile(latenciesMs, 50),
  p99Ms: percentile(latenciesMs, 99),
  maxMs: Math.max(...latenciesMs),
});
process.exit(0);
