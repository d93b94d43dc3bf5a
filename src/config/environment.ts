/**
 * Settings from the environment: `SLUICE_POOL_THREADS=4`. An empty variable
 * counts as not set. Every other name that starts with `SLUICE_` is an error,
 * except those that Kubernetes injects for a service called sluice.
 */
import type { GivenValues } from './given-value.ts';
import { nearestName } from './nearest-name.ts';
import { CONFIG_FILE_ENV, ENV_PREFIX, SETTINGS, TOKEN_ENV } from './settings.ts';

/** Settings of the test suite, such as the seed, which programs under test inherit. */
const TEST_PREFIX = `${ENV_PREFIX}TEST_`;

/** `SLUICE_SERVICE_HOST`, `SLUICE_SERVICE_PORT_GRPC`, `SLUICE_PORT_50051_TCP_ADDR`, … */
const KUBERNETES_NAME = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$/;

/** `SLUICE_PORT=tcp://10.0.0.7:50051`; any other value is a mistake to report. */
const KUBERNETES_PORT = /^(tcp|udp|sctp):\/\//;

/** Reads the variables with the prefix of sluice; all others are ignored. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): GivenValues {
  const settingOfEnv = new Map(SETTINGS.map((each) => [each.env, each]));
  const given: GivenValues = { values: new Map(), problems: [] };
  for (const [name, raw] of Object.entries(env)) {
    if (raw === undefined || raw === '' || !name.startsWith(ENV_PREFIX) || isReserved(name, raw)) continue;
    const setting = settingOfEnv.get(name);
    if (setting === undefined) given.problems.push(unknownName(name));
    else given.values.set(setting.key, { raw, source: { kind: 'environment', name } });
  }
  return given;
}

function isReserved(name: string, value: string): boolean {
  if (
    name === CONFIG_FILE_ENV ||
    name === TOKEN_ENV ||
    name.startsWith(TEST_PREFIX) ||
    KUBERNETES_NAME.test(name)
  )
    return true;
  return name.endsWith('_PORT') && KUBERNETES_PORT.test(value);
}

function unknownName(name: string): string {
  const known = [...SETTINGS.map((each) => each.env), CONFIG_FILE_ENV];
  return `${name}: there is no such environment variable; did you mean ${nearestName(name, known)}?`;
}
