/**
 * Every setting of the schema as a flat list, with its three names: the key
 * (`pool.threads`), the flag (`--pool-threads`) and the environment variable
 * (`SLUICE_POOL_THREADS`). The names are derived here and nowhere else.
 */
import { z } from 'zod';
import { type Config, configSchema } from './schema.ts';
import { type SettingMeta, type SettingValue, settingMetaOf } from './setting-kinds.ts';

export const ENV_PREFIX = 'SLUICE_';

/** Names the config file, as `--config` does; not a setting itself. */
export const CONFIG_FILE_ENV = 'SLUICE_CONFIG';

/** The token of a client; not a setting of a server. */
export const TOKEN_ENV = 'SLUICE_TOKEN';

export interface Setting {
  /** Dotted path in the schema and in the config file. */
  key: string;
  /** The first part of the key, or '' at the top level. */
  group: string;
  /** Switches on what is off by default, and off what is on, as `--no-s3-hedge` does; of other settings it has a value. */
  flag: string;
  env: string;
  meta: SettingMeta;
  schema: z.ZodType;
}

/** In the order of the schema. */
export const SETTINGS: readonly Setting[] = listSettings(configSchema.shape, '');

const SETTING_OF_KEY: ReadonlyMap<string, Setting> = new Map(SETTINGS.map((each) => [each.key, each]));

/** The setting with this key, or undefined. */
export function settingOfKey(key: string): Setting | undefined {
  return SETTING_OF_KEY.get(key);
}

/** The value that a configuration has for a setting. */
export function settingValue(config: Config, { group, key }: Setting): SettingValue {
  const settings = config as unknown as Readonly<Record<string, unknown>>;
  if (group === '') return settings[key] as SettingValue;
  const members = settings[group] as Readonly<Record<string, SettingValue>>;
  return members[key.slice(group.length + 1)] as SettingValue;
}

/** `config` with the values that `from` has for `settings`. */
export function withSettings(config: Config, settings: Iterable<Setting>, from: Config): Config {
  const tree: Record<string, unknown> = { ...config };
  for (const setting of settings) {
    const { group, key } = setting;
    const value = settingValue(from, setting);
    if (group === '') tree[key] = value;
    else tree[group] = { ...(tree[group] as object), [key.slice(group.length + 1)]: value };
  }
  return tree as unknown as Config;
}

/** Names of the groups, such as `pool`. */
export const GROUPS: readonly string[] = [...new Set(SETTINGS.map((each) => each.group))].filter(
  (group) => group !== '',
);

function listSettings(shape: Readonly<Record<string, unknown>>, group: string): Setting[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    if (schema instanceof z.ZodPrefault) return listSettings(shapeOfGroup(schema), name);
    return [namedSetting(group, name, schema as z.ZodType)];
  });
}

function shapeOfGroup(schema: z.ZodPrefault): Readonly<Record<string, unknown>> {
  const inner = schema.unwrap();
  if (!(inner instanceof z.ZodObject)) throw new Error('a group is an object of settings');
  return inner.shape;
}

function namedSetting(group: string, name: string, schema: z.ZodType): Setting {
  const meta = settingMetaOf(schema);
  if (meta === undefined) throw new Error(`the setting ${name} is made by one of setting-kinds.ts`);
  const isOn = meta.kind === 'flag' && meta.initial === true;
  const words = [group, name].filter((part) => part !== '').flatMap(wordsOf);
  return {
    key: group === '' ? name : `${group}.${name}`,
    group,
    flag: `--${isOn ? 'no-' : ''}${words.join('-')}`,
    env: ENV_PREFIX + words.join('_').toUpperCase(),
    meta,
    schema,
  };
}

/** `jobsInFlight` → `jobs`, `in`, `flight`. */
function wordsOf(name: string): string[] {
  return name.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}
