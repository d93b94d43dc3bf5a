/**
 * The effective configuration: flag, then environment, then file, then
 * default. Every value is validated, even an overridden one, and all problems
 * are reported at once.
 */
import { TransferError } from '../base/errors.ts';
import type { SettingValues } from './config.ts';
import { readConfigFile } from './config-file.ts';
import { readEnvironment } from './environment.ts';
import { type GivenValue, type GivenValues, type ValueSource, writeSource } from './given-value.ts';
import { availableMemoryBytes } from './memory/available-memory.ts';
import { relationProblems } from './relations.ts';
import { type Config, configSchema } from './schema.ts';
import { CONFIG_FILE_ENV, SETTINGS, settingOfKey } from './settings.ts';
import { unknownKeyProblem, valueProblem } from './value-problem.ts';

export interface ConfigInputs {
  /** Values by key (`pool.threads`), as flags give them. */
  flags?: SettingValues | undefined;
  /** Default: nothing, so that a library or a test never depends on the process's environment. */
  env?: Readonly<Record<string, string | undefined>> | undefined;
  /** A YAML file; default: the one that SLUICE_CONFIG in `env` names, if any. */
  filePath?: string | undefined;
  /** Memory that the configuration must fit in; default: what this process may use. */
  availableBytes?: number | undefined;
}

export interface LoadedConfig {
  config: Config;
  /** Where each value came from, by key, for every key of the schema. */
  sources: ReadonlyMap<string, ValueSource>;
}

/** Throws INVALID_CONFIG with one line for each problem. */
export function loadConfig(inputs: ConfigInputs = {}): LoadedConfig {
  const env = inputs.env ?? {};
  const filePath = inputs.filePath ?? (env[CONFIG_FILE_ENV] || undefined);
  const places = [
    filePath === undefined ? emptyPlace() : readConfigFile(filePath),
    readEnvironment(env),
    readFlags(inputs.flags ?? {}),
  ];
  const valueProblems = places.flatMap(problemsOfValues);
  const problems = [...places.flatMap((place) => place.problems), ...valueProblems];
  const given = new Map(places.flatMap((place) => [...place.values]));
  if (valueProblems.length > 0) throw unusable(problems);

  const config = configSchema.parse(treeOf(given));
  problems.push(...relationProblems(config, inputs.availableBytes ?? availableMemoryBytes()));
  if (problems.length > 0) throw unusable(problems);
  return { config, sources: sourcesOf(given) };
}

function emptyPlace(): GivenValues {
  return { values: new Map(), problems: [] };
}

function readFlags(flags: SettingValues): GivenValues {
  const place = emptyPlace();
  for (const [key, raw] of Object.entries(flags)) {
    if (raw === undefined) continue;
    const setting = settingOfKey(key);
    if (setting === undefined) place.problems.push(unknownKeyProblem(key));
    else place.values.set(key, { raw, source: { kind: 'flag', name: setting.flag } });
  }
  return place;
}

function problemsOfValues(place: GivenValues): string[] {
  return [...place.values].flatMap(([key, { raw, source }]) => {
    const problem = valueProblem(settingAt(key), raw);
    return problem === undefined ? [] : [`${key} (${writeSource(source)}): ${problem}`];
  });
}

function settingAt(key: string) {
  const setting = settingOfKey(key);
  if (setting === undefined) throw new Error(`readers hand on known keys only, not ${key}`);
  return setting;
}

/** Nested for the schema, with given values only: the schema fills in defaults. */
function treeOf(given: ReadonlyMap<string, GivenValue>): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [key, { raw }] of given) {
    const { group } = settingAt(key);
    if (group === '') tree[key] = raw;
    else tree[group] = { ...(tree[group] as object | undefined), [key.slice(group.length + 1)]: raw };
  }
  return tree;
}

function sourcesOf(given: ReadonlyMap<string, GivenValue>): Map<string, ValueSource> {
  return new Map(SETTINGS.map(({ key }) => [key, given.get(key)?.source ?? { kind: 'default' }]));
}

function unusable(problems: readonly string[]): TransferError {
  const lines = problems.map((problem) => `  ${problem}`).join('\n');
  return new TransferError('INVALID_CONFIG', `the configuration is not usable:\n${lines}`);
}
