/** Divides the time of a tuning among its parts. Pure arithmetic. */

export interface ScheduleOptions {
  /** The time for the whole tuning, in milliseconds. */
  budgetMs: number;
  /** Rounds of each comparison. */
  rounds: number;
  /** How many servers and loads each comparison has that is sure to be made. */
  comparisons: readonly { contenders: number; workloads: number }[];
}

export interface Schedule {
  rounds: number;
  /** Of the comparison with the defaults at the end: more, because it is what is promised. */
  finalRounds: number;
  /** Before the bytes of a load count. */
  settleMs: number;
  /** In which the bytes of a load count. */
  loadMs: number;
  /** The load that a new server gets before it is measured. */
  warmUpMs: number;
  /** All comparisons that are sure, and one at the end. */
  estimateMs: number;
}

/** Until a server accepts calls, and its end; measured on a small machine. */
const SERVER_MS = 700;

/** Streams start small and grow; one load drains into the next. */
const SETTLE_MS = 100;

/** Warm code is measured, because a server runs for days. A short tuning has less time to warm up. */
const MAX_WARM_UP_MS = 500;
const MIN_WARM_UP_MS = 150;
const WARM_UP_SHARE = 0.01;

/** A shorter load would measure only how streams begin. */
const MIN_LOAD_MS = 100;

/** More rounds are sharper than longer loads. */
const MAX_LOAD_MS = 1_500;

/** The final comparison is what tune promises, so it gets more rounds. */
const MORE_FINAL_ROUNDS = 2;

/** Takes the length of the loads from the budget; a budget too small for that is exceeded, and the estimate says so. */
export function scheduleOf({ budgetMs, comparisons, rounds }: ScheduleOptions): Schedule {
  const finalRounds = rounds + MORE_FINAL_ROUNDS;
  const finalWorkloads = Math.max(0, ...comparisons.map((each) => each.workloads));
  const servers = 2 + sum(comparisons.map((each) => each.contenders));
  const loads =
    2 * finalRounds * finalWorkloads +
    sum(comparisons.map((each) => each.contenders * each.workloads * rounds));
  const warmUpMs = within(MIN_WARM_UP_MS, budgetMs * WARM_UP_SHARE, MAX_WARM_UP_MS);
  const fixedMs = servers * (SERVER_MS + warmUpMs) + loads * SETTLE_MS;
  const loadMs = within(MIN_LOAD_MS, (budgetMs - fixedMs) / Math.max(1, loads), MAX_LOAD_MS);
  return {
    rounds,
    finalRounds,
    settleMs: SETTLE_MS,
    loadMs,
    warmUpMs,
    estimateMs: fixedMs + loads * loadMs,
  };
}

/** What one comparison takes, in milliseconds. */
export function comparisonMs(
  { loadMs, settleMs, warmUpMs }: Schedule,
  contenders: number,
  workloads: number,
  rounds: number,
): number {
  return contenders * (SERVER_MS + warmUpMs + workloads * rounds * (settleMs + loadMs));
}

function within(least: number, value: number, most: number): number {
  return Math.round(Math.min(most, Math.max(least, value)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
