/**
 * The primary of a server with several processes: it accepts connections and hands
 * them out in turn (node:cluster), starts the processes and replaces those that
 * die, and keeps what they share. It serves nothing itself.
 *
 * Invariants: a process is stopped for another one only once that one serves. What
 * a dead process held is free.
 */
import cluster from 'node:cluster';
import { setTimeout as delay } from 'node:timers/promises';
import { Mutex } from '../../base/async/mutex.ts';
import { Counters, type CounterValues } from '../../base/counters/counters.ts';
import { TransferError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { availableMemoryBytes } from '../../config/memory/available-memory.ts';
import { relationProblems } from '../../config/relations.ts';
import type { Config } from '../../config/schema.ts';
import { SETTINGS, settingValue, withSettings } from '../../config/settings.ts';
import { lockRoot, type RootHold } from '../storage.ts';
import { Inquiries } from './inquiry.ts';
import { LockTable } from './lock-table.ts';
import { Member, type MemberState } from './member.ts';
import type { FromProcess } from './messages.ts';

/** What all processes have in common, so that no single one can have another value. */
const COMMON_KEYS: ReadonlySet<string> = new Set(['root', 'writable']);

/** Beyond pause and grace, for uploads, threads and files; each has a limit of its own. */
const STOP_MARGIN_MS = 30_000;

/** Before a process that died soon after its start is replaced; doubled each time. */
const FIRST_WAIT_MS = 100;
const MAX_WAIT_MS = 10_000;

/** A process that has served for so long did not die of its start. */
const STEADY_MS = 10_000;

export class Primary {
  readonly #logger: Logger;
  readonly #locks = new LockTable();
  readonly #inquiries = new Inquiries();
  readonly #members = new Set<Member>();
  readonly #turn = new Mutex();
  /** What processes that are gone have counted. */
  #gone: Counters | null = null;
  #config: Config;
  #root: RootHold | null = null;
  #address = '';
  /** Processes that died in a row, each soon after its start. */
  #deaths = 0;
  #stopped: Promise<void> | null = null;

  /** `config` is complete and valid. */
  constructor(config: Config, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
  }

  /** Resolves once all processes serve. Throws what keeps one from it. */
  async start(): Promise<{ address: string }> {
    cluster.schedulingPolicy = cluster.SCHED_RR;
    this.#root = await lockRoot(this.#config, this.#logger);
    try {
      // The first one alone: it binds the addresses, and finds out what is wrong.
      const address = await this.#add().ready;
      this.#address = address;
      await Promise.all(Array.from({ length: this.#config.processes - 1 }, () => this.#add().ready));
      return { address };
    } catch (reason) {
      await this.stop();
      throw reason;
    }
  }

  /**
   * Takes over a changed configuration. Settings that are live change in all processes. Where others have changed,
   * the processes are replaced, one after the other.
   */
  async reload(config: Config): Promise<void> {
    await this.#turn.run(() => this.#reload(config));
  }

  async #reload(config: Config): Promise<void> {
    const before = this.#config;
    const differing = SETTINGS.filter(
      (setting) => settingValue(config, setting) !== settingValue(before, setting),
    );
    const taken = differing.filter(({ key }) => !COMMON_KEYS.has(key));
    const afterRestart = differing.filter(({ key }) => COMMON_KEYS.has(key)).map(({ key }) => key);
    if (afterRestart.length > 0)
      this.#logger.warn({ afterRestart }, 'some settings take effect after a restart of the server');
    const next = withSettings(before, taken, config);
    const problems = relationProblems(next, availableMemoryBytes());
    if (problems.length > 0) {
      this.#logger.error({ problems }, 'not reloaded: the settings cannot be used together');
      return;
    }
    const replacing = taken.filter(({ meta }) => !meta.isLive).map(({ key }) => key);
    if (replacing.length > 0) {
      this.#logger.info({ settings: replacing }, 'these settings take new processes');
      await this.#restart(next);
      return;
    }
    this.#config = next;
    for (const member of this.#members) member.tell({ kind: 'reload', config: next });
  }

  /** Replaces all processes, one after the other; each leaves once another one serves, and ends its transfers. */
  async restart(): Promise<void> {
    await this.#turn.run(() => this.#restart(this.#config));
  }

  async #restart(config: Config): Promise<void> {
    const old = [...this.#members].filter(({ state }) => state === 'serving');
    const rounds = Math.max(old.length, config.processes);
    this.#logger.info({ processes: config.processes }, 'replacing the processes, one after the other');
    for (let at = 0; at < rounds && this.#stopped === null; at += 1) {
      if (at < config.processes) {
        try {
          await this.#newMember(config);
        } catch (reason) {
          const problem = TransferError.from(reason).message;
          this.#logger.error({ problem }, 'a new process does not start; the others stay as they are');
          return;
        }
        this.#config = config;
      }
      await old[at]?.stop(true, this.#stopMs);
    }
    this.#logger.info({ processes: this.#members.size }, 'the processes are replaced');
  }

  /** Ends all processes after their transfers. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await Promise.all(Array.from(this.#members, (member) => member.stop(false, this.#stopMs)));
    await this.#root?.release();
  }

  get #stopMs(): number {
    const { grace, pause } = this.#config.shutdown;
    return pause + grace + STOP_MARGIN_MS;
  }

  /** Resolves once it serves. */
  async #newMember(config: Config): Promise<void> {
    const member = this.#add(config);
    await member.ready;
    this.#logger.info({ process: member.pid }, 'a new process serves');
  }

  #add(config = this.#config): Member {
    // With nobody listening, port 0 would become another one.
    const isAlone = ![...this.#members].some(({ state }) => state === 'serving');
    const listen = isAlone && this.#address !== '' ? this.#address : config.listen;
    const member = new Member({ ...config, listen }, this.#freeNumber(), (from, message) =>
      this.#take(from, message),
    );
    this.#members.add(member);
    const startMs = performance.now();
    void member.ended.then(({ how, was }) => this.#ended(member, how, was, performance.now() - startMs));
    return member;
  }

  #freeNumber(): number {
    const taken = new Set(Array.from(this.#members, ({ number }) => number));
    let number = 1;
    while (taken.has(number)) number += 1;
    return number;
  }

  #take(member: Member, message: FromProcess): void {
    switch (message.kind) {
      case 'hold':
        this.#locks.hold(member, message);
        break;
      case 'release':
        this.#locks.release(member, message.ticket);
        break;
      case 'ask': {
        const members = [...this.#members].filter(({ state }) => state === 'serving' || state === 'leaving');
        this.#inquiries.ask(member, message.ticket, message.question, members, () => this.#goneValues);
        break;
      }
      case 'answer':
        this.#inquiries.answer(member, message.ticket, message.answer);
        break;
      // The member itself understands the others.
      default:
        break;
    }
  }

  get #goneValues(): CounterValues | null {
    return this.#gone?.values() ?? null;
  }

  #ended(member: Member, how: string, was: MemberState, livedMs: number): void {
    this.#members.delete(member);
    this.#locks.gone(member);
    if (member.counters !== null) {
      this.#gone ??= new Counters();
      this.#gone.addValues(member.counters, true);
    }
    this.#inquiries.gone(member);
    this.#deaths = livedMs < STEADY_MS ? this.#deaths + 1 : 0;
    if (was !== 'serving' || this.#stopped !== null) return;
    const fields = { process: member.pid, how };
    this.#logger.error(fields, 'a process of the server has died; another one takes its place');
    void this.#replace();
  }

  /** Never rejects. */
  async #replace(): Promise<void> {
    for (;;) {
      if (this.#deaths > 1) await delay(Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#deaths - 2)));
      const staying = [...this.#members].filter(({ state }) => state !== 'leaving');
      if (this.#stopped !== null || staying.length >= this.#config.processes) return;
      try {
        await this.#newMember(this.#config);
        return;
      } catch (reason) {
        const problem = TransferError.from(reason).message;
        this.#logger.error({ problem }, 'a new process does not start; trying again');
      }
    }
  }
}
