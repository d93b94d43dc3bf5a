/**
 * `npm run bench`: measures sluice against its peers, prints the figures with
 * the bars they must keep, and keeps them as JSON in bench/results. The exit
 * code is 1 when a bar is missed.
 */
import { Command, InvalidArgumentError } from 'commander';
import type { Bar } from './harness/bar.ts';
import type { Contender } from './harness/contender.ts';
import { BUSY_LOAD, describeMachine, formatResults, passesAll, saveResults } from './harness/report.ts';
import { type CaseResult, mediansOf, type RoundsListener, runRounds, writeRounds } from './harness/rounds.ts';
import type { BenchContext, Scenario } from './harness/scenario.ts';
import { TestFiles } from './harness/test-files.ts';
import { EXTRA_PEERS, isExtraPeer } from './peers/extra.ts';
import { SCENARIOS } from './scenarios/index.ts';

const DEFAULT_ROUNDS = 6;
const QUICK_ROUNDS = 3;

interface Options {
  quick: boolean;
  rounds?: number;
  list: boolean;
  peers?: readonly string[];
  cases?: RegExp;
}

function parseRounds(text: string): number {
  const rounds = Number(text);
  if (Number.isSafeInteger(rounds) && rounds >= 2) return rounds;
  throw new InvalidArgumentError('It is a whole number from 2 on: the first round is the warm-up.');
}

function parseCases(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function parsePeers(text: string): readonly string[] {
  const names = text.split(',');
  const unknown = names.find((name) => !isExtraPeer(name));
  if (unknown === undefined) return names;
  throw new InvalidArgumentError(
    `There is no peer ${unknown}; there are ${Object.keys(EXTRA_PEERS).join(', ')}.`,
  );
}

function selectScenarios(names: readonly string[]): readonly Scenario[] {
  const unknown = names.find((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown !== undefined) throw new Error(`there is no scenario ${unknown}; --list names them`);
  return names.length === 0 ? SCENARIOS : SCENARIOS.filter((scenario) => names.includes(scenario.name));
}

/** The peers that are installed; says which are not. */
async function availablePeers(names: readonly string[], files: TestFiles): Promise<Contender[]> {
  const peers: Contender[] = [];
  for (const name of names) {
    if (!isExtraPeer(name)) continue;
    const peer = await EXTRA_PEERS[name](files.directory);
    if (typeof peer === 'string') console.log(`skipping ${name}: ${peer}`);
    else peers.push(peer);
  }
  return peers;
}

async function bench(names: readonly string[], options: Options): Promise<boolean> {
  const scenarios = selectScenarios(names);
  const rounds = options.rounds ?? (options.quick ? QUICK_ROUNDS : DEFAULT_ROUNDS);
  const machine = describeMachine();
  const { cpu, cores, node, loadBefore } = machine;
  console.log(`${cpu}, ${cores} cores, Node ${node}; medians of ${writeRounds(rounds)}`);
  if (loadBefore > BUSY_LOAD)
    console.log(`the machine is busy (load ${loadBefore.toFixed(1)}): do not trust these figures`);
  const files = new TestFiles(process.env.BENCH_DIR);
  process.once('exit', () => files.close());
  const context: BenchContext = {
    files,
    quick: options.quick,
    extraPeers: await availablePeers(options.peers ?? [], files),
  };
  let allPass = true;
  for (const scenario of scenarios) {
    const reason = scenario.unavailable?.();
    if (reason !== undefined) {
      console.log(`\nskipping ${scenario.name}: ${reason}`);
      continue;
    }
    const startedAt = new Date();
    let path = '';
    // Of the cases that were left out, bars say nothing.
    const judged = (soFar: readonly CaseResult[]): Scenario =>
      options.cases === undefined && !options.quick
        ? scenario
        : { ...scenario, bars: barsWithFigures(scenario, soFar) };
    const listener: RoundsListener = {
      onProgress: showProgress,
      // Some take half an hour: what was measured is kept when the rest is cut off.
      onRound: (soFar, round) => {
        const only = options.cases === undefined ? {} : { only: options.cases.source };
        const settings = { machine, rounds: round + 1, quick: options.quick, ...only };
        path = saveResults(judged(soFar), soFar, startedAt, settings);
      },
    };
    const results = await runRounds(scenario, context, rounds, listener, options.cases);
    showProgress('');
    console.log(formatResults(judged(results), results));
    console.log(`\nkept in ${path}`);
    allPass &&= passesAll(judged(results), results) && results.every(({ errors }) => errors.length === 0);
  }
  return allPass;
}

function barsWithFigures({ bars }: Scenario, results: readonly CaseResult[]): readonly Bar[] {
  const medians = mediansOf(results);
  return bars.filter(({ figure }) => !Number.isNaN(figure.evaluate(medians)));
}

/** One line on a terminal that the next one replaces; nothing elsewhere. */
function showProgress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
}

const program = new Command('bench')
  .description('Measures sluice against its peers, in processes of their own.')
  .argument('[scenario...]', 'which to run; all when none is named')
  .option('--quick', 'fewer rounds and less data', false)
  .option(
    '--rounds <n>',
    `rounds of each scenario, with one of warm-up (default: ${DEFAULT_ROUNDS})`,
    parseRounds,
  )
  .option(
    '--peers <names>',
    `also measure these where they are installed: ${Object.keys(EXTRA_PEERS).join(',')}`,
    parsePeers,
  )
  .option('--cases <pattern>', 'only the cases whose names match this regular expression', parseCases)
  .option('--list', 'name the scenarios and end', false)
  .addHelpText(
    'after',
    '\nBENCH_DIR names a directory to keep the test files in; without it they are temporary.',
  );

program.action(async (names: string[], options: Options) => {
  if (options.list) {
    for (const { name, describe } of SCENARIOS) console.log(`${name.padEnd(18)} ${describe}`);
    return;
  }
  process.exitCode = (await bench(names, options)) ? 0 : 1;
});

// Children and temporary files are removed on 'exit', which a signal alone does not cause.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
