/**
 * Measures contenders: each a real `sluice serve`, all loaded in turn by one
 * client process, round after round, forwards and backwards, so that what else
 * happens on the machine hits all of them alike.
 *
 * Invariant: when `compare` returns or throws, its servers are gone.
 */
import { TransferError } from '../../base/errors.ts';
import { MIB } from '../../base/units.ts';
import type { Child } from '../process/child.ts';
import { type Candidate, type TunedKey, valueIn } from './candidate.ts';
import { type Comparison, measuredOf, type Round, type Skipped } from './comparison.ts';
import type { Schedule } from './schedule.ts';
import { ServeChild } from './serve-child.ts';
import { startChild } from './start-child.ts';
import {
  type LoadAnswer,
  type LoadRequest,
  type SampleFile,
  type Workload,
  workloadsOf,
} from './workload.ts';

const LOAD_PROGRAM = new URL('./load-child.js', import.meta.url);

export interface MeasurementOptions {
  directory: string;
  files: readonly SampleFile[];
  schedule: Schedule;
  /** Of the load with many streams. */
  streams: number;
  signal: AbortSignal;
  /** Told before each round, and before the warm-up with round 0. */
  onRound(key: TunedKey | undefined, round: number, rounds: number): void;
}

interface Contender {
  candidate: Candidate;
  server: ServeChild;
}

export class Measurement {
  readonly #options: MeasurementOptions;
  readonly #client: Child;

  constructor(options: MeasurementOptions) {
    this.#options = options;
    this.#client = startChild('the client of the measurement', LOAD_PROGRAM, [], options.signal);
  }

  /** Interrupted by the signal, it returns the rounds that were whole. The first contender is the base. */
  async compare(
    key: TunedKey | undefined,
    candidates: readonly Candidate[],
    skipped: readonly Skipped[],
    rounds: number,
  ): Promise<Comparison> {
    const workloads = workloadsOf(key, this.#options.streams);
    const measured: Round[] = [];
    try {
      await this.#withServers(candidates, async (contenders) => {
        this.#options.onRound(key, 0, rounds);
        for (const contender of contenders) await this.#warmUp(contender, workloads);
        while (measured.length < rounds) {
          this.#options.onRound(key, measured.length + 1, rounds);
          measured.push(await this.#round(contenders, workloads, measured.length % 2 === 1));
        }
      });
    } catch (reason) {
      if (!this.#options.signal.aborted) throw reason;
    }
    return {
      key,
      workloads,
      measured: measuredOf(candidates, measured),
      skipped,
      rounds: measured.length,
      isComplete: measured.length === rounds,
    };
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    await this.#client.end();
  }

  async #withServers(
    candidates: readonly Candidate[],
    work: (contenders: readonly Contender[]) => Promise<void>,
  ): Promise<void> {
    const { directory, signal } = this.#options;
    const starts = candidates.map((candidate) => ServeChild.start(directory, candidate, signal));
    const settled = await Promise.allSettled(starts);
    try {
      await work(
        candidates.map((candidate, index) => ({ candidate, server: startedServer(settled[index]) })),
      );
    } finally {
      const servers = settled.filter((each) => each.status === 'fulfilled').map((each) => each.value);
      for (const { target } of servers) this.#client.tell({ close: target });
      await Promise.all(servers.map((server) => server.stop()));
    }
  }

  async #warmUp(contender: Contender, workloads: readonly Workload[]): Promise<void> {
    const { warmUpMs } = this.#options.schedule;
    for (const workload of workloads) await this.#load(contender, workload, warmUpMs / workloads.length);
  }

  async #round(
    contenders: readonly Contender[],
    workloads: readonly Workload[],
    isBackwards: boolean,
  ): Promise<Round> {
    const rates = contenders.map((): number[] => []);
    const order = [...contenders.entries()];
    if (isBackwards) order.reverse();
    for (const [index, contender] of order) {
      for (const workload of workloads)
        rates[index]?.push(await this.#load(contender, workload, this.#options.schedule.loadMs));
    }
    return rates;
  }

  /** MiB/s. */
  async #load({ candidate, server }: Contender, workload: Workload, durationMs: number): Promise<number> {
    const { files, schedule } = this.#options;
    const { streams, compression } = workload;
    const request: LoadRequest = {
      target: server.target,
      files,
      streams,
      compression,
      chunkBytes: valueIn(candidate, 'chunk.size'),
      settleMs: schedule.settleMs,
      durationMs,
    };
    const answer = await this.#client.ask<LoadAnswer>(request);
    if ('error' in answer) throw new TransferError('INTERNAL', `the measurement failed: ${answer.error}`);
    return answer.bytes / MIB / answer.seconds;
  }
}

function startedServer(start: PromiseSettledResult<ServeChild> | undefined): ServeChild {
  if (start?.status === 'fulfilled') return start.value;
  throw start?.reason;
}
