/**
 * A server in a process of its own, under as many malformed frames and messages as are asked for,
 * from hostile peers and from lying relays before clients. A client that does nothing wrong works
 * beside them. In the end the server holds nothing, nothing lives longer for it, and no defect was seen.
 *
 * The attack number n of a run with seed s is the first one with seed s + n.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { MIB } from '../../../src/base/units.ts';
import { BASE_BYTES } from '../peers/crowd.ts';
import { Random, seedOf } from '../seed.ts';
import { attackOf } from './attack.ts';
import { carryOut, type Seen } from './attacker.ts';
import { workThroughLies, workUndisturbed } from './clients.ts';
import { FuzzedServer } from './fuzzed-server.ts';
import { MutatingRelay } from './mutating-relay.ts';

/** Attacks at the same time, and clients behind relays. */
const ATTACKS = 16;
const CLIENTS = 8;

/** Caches and pools are as full as they get. */
const WARM_PART = 0.2;

const MAX_LIVE_GROWTH_BYTES = 8 * MIB;
const MAX_LOG_BYTES_PER_CASE = 1000;

/** Of pino. */
const ERROR_LEVEL = 50;

export async function fuzz(t: TestContext, count: number): Promise<void> {
  const seed = seedOf(t);
  const server = await FuzzedServer.start(t);
  const startMs = performance.now();
  const idle = await server.report();
  const idleSockets = server.sockets;
  const run = new Run(t, server, seed);
  await run.until(count * WARM_PART);
  const warm = await server.report();
  await run.until(count);
  const end = await server.idle();
  const { cases, lied, undisturbed, attacks, seen, outcomes } = run;
  const seconds = (performance.now() - startMs) / 1000;
  t.diagnostic(
    `${cases} cases in ${seconds.toFixed(0)} s, ${Math.round(cases / seconds)} a second; ${lied} of them by relays. ` +
      `${attacks} attacks: ${JSON.stringify(seen)}. ${undisturbed} times served beside them. ` +
      `RSS ${mib(idle.rssBytes)}, then ${mib(warm.rssBytes)}, then ${mib(end.rssBytes)}; live ${mib(idle.liveBytes)}, ${mib(warm.liveBytes)}, ${mib(end.liveBytes)} MiB`,
  );
  t.diagnostic(`clients of relays: ${JSON.stringify(Object.fromEntries(outcomes))}`);
  t.diagnostic(`the server: ${JSON.stringify(end.ended)}, ${JSON.stringify(end.stats.closings)}`);

  assert.ok(undisturbed > 0, 'the client beside the attackers was served');
  assert.ok(end.rssBytes <= server.boundBytes + BASE_BYTES, 'no more memory than the configuration says');
  assert.ok(end.liveBytes - warm.liveBytes <= MAX_LIVE_GROWTH_BYTES, 'nothing leaks');
  assert.equal(server.sockets, idleSockets, 'no socket is left');
  const log = await server.stop();
  assert.deepEqual(
    log.filter((line) => levelOf(line) >= ERROR_LEVEL),
    [],
    'no line of the log says a defect',
  );
  assert.ok(log.join('\n').length <= cases * MAX_LOG_BYTES_PER_CASE, 'the log is not flooded');
}

/** Attackers, relays with their clients, and the client that must be served. */
class Run {
  readonly seen: Seen = { read: 0, closed: 0, streams: 0 };
  /** How the work of clients behind relays ended. */
  readonly outcomes = new Map<string, number>();
  attacks = 0;
  undisturbed = 0;
  readonly #t: TestContext;
  readonly #server: FuzzedServer;
  readonly #seed: number;
  #attacked = 0;
  #relay: MutatingRelay | undefined;
  /** The numbers of attacks under way. */
  readonly #running = new Set<number>();

  constructor(t: TestContext, server: FuzzedServer, seed: number) {
    this.#t = t;
    this.#server = server;
    this.#seed = seed;
  }

  get lied(): number {
    return this.#relay?.cases ?? 0;
  }

  get cases(): number {
    return this.#attacked + this.lied;
  }

  /** Resolves when `count` cases were carried out, over all calls of this. */
  async until(count: number): Promise<void> {
    const { address, port } = this.#server;
    this.#relay ??= await MutatingRelay.start(this.#t, port, this.#seed);
    const { address: relayed } = this.#relay;
    const failures: Error[] = [];
    const isOver = () => this.cases >= count || failures.length > 0 || this.#server.hasEnded;
    const lanes = [
      workUndisturbed(address, new Random(this.#seed), isOver).then((done) => {
        this.undisturbed += done;
      }),
      ...Array.from({ length: CLIENTS }, async (_, lane) => {
        const random = new Random(this.#seed - lane - this.attacks);
        while (!isOver()) await workThroughLies(relayed, random, this.outcomes);
      }),
      ...Array.from({ length: ATTACKS }, async () => {
        while (!isOver()) await this.#attack();
      }),
    ];
    for (const lane of lanes) {
      lane.catch((reason: Error) => failures.push(reason));
    }
    await Promise.allSettled(lanes);
    const seeds = [...this.#running].map((number) => this.#seed + number).join(', ');
    assert.ok(!this.#server.hasEnded, `the server is gone: ${this.#server.lastLines()}\nseeds: ${seeds}`);
    if (failures[0] !== undefined) throw failures[0];
  }

  async #attack(): Promise<void> {
    const number = this.attacks;
    this.attacks += 1;
    const random = new Random(this.#seed + number);
    const attack = attackOf(random);
    this.#running.add(number);
    await carryOut(random, this.#server.port, attack, this.seen);
    if (this.#server.hasEnded) return;
    this.#running.delete(number);
    this.#attacked += attack.cases;
  }
}

/** A line that is no JSON is not the logger's, but Node's. */
function levelOf(line: string): number {
  try {
    return Number((JSON.parse(line) as { level: number }).level);
  } catch {
    return ERROR_LEVEL;
  }
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}
