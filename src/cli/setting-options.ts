/**
 * The settings of the schema as flags of a command. Names, ranges and defaults
 * come from the schema; nothing is listed here.
 */
import { type Command, Option } from 'commander';
import type { SettingValues } from '../config/config.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { writeRange } from '../config/notation.ts';
import { writeDefault } from '../config/reference.ts';
import { SETTINGS, type Setting } from '../config/settings.ts';

const VALUE_NAMES = {
  bytes: '<size>',
  duration: '<duration>',
  count: '<count>',
  text: '<text>',
  choice: '<word>',
  flag: '',
} as const;

/** Adds `--config` and one flag for each setting, in groups. */
export function addSettingOptions(command: Command): Command {
  command.option('--config <path>', 'YAML file with settings; flags and environment override it');
  for (const setting of SETTINGS) command.addOption(settingOption(setting));
  return command;
}

function settingOption({ flag, group, meta }: Setting): Option {
  const range = meta.kind === 'flag' ? undefined : writeRange(meta);
  const initial = writeDefault(meta);
  const notes = [
    ...(range === undefined ? [] : [range]),
    ...(initial === '' ? [] : [`default: ${initial}`]),
  ].join('; ');
  const text = notes === '' ? meta.describe : `${meta.describe} (${notes})`;
  const option = new Option(`${flag} ${VALUE_NAMES[meta.kind]}`.trim(), text);
  return option.helpGroup(group === '' ? 'Settings:' : `Settings of ${group}:`);
}

/** The configuration from the command's flags, the environment and the file. Throws INVALID_CONFIG. */
export function loadFromCommand(command: Command, flags: SettingValues = {}): LoadedConfig {
  const { config: filePath } = command.opts<{ config?: string }>();
  return loadConfig({
    flags: { ...givenFlags(command), ...flags },
    env: process.env,
    ...(filePath === undefined ? {} : { filePath }),
  });
}

function givenFlags(command: Command): SettingValues {
  const keyOfFlag = new Map(SETTINGS.map((each) => [each.flag, each.key]));
  const given: Record<string, unknown> = {};
  for (const option of command.options) {
    const key = keyOfFlag.get(option.long ?? '');
    const name = option.attributeName();
    // What a flag switches off, commander has on without it.
    if (key !== undefined && command.getOptionValueSource(name) !== 'default')
      given[key] = command.getOptionValue(name);
  }
  return given;
}
