/** `sluice config`: the effective configuration, and where each value came from. */
import type { Command } from 'commander';
import { formatBytes } from '../base/units.ts';
import { writeSource } from '../config/given-value.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { type MemoryBound, memoryBoundBytes } from '../config/memory/memory-bound.ts';
import { writeValue } from '../config/notation.ts';
import { fileExample } from '../config/reference.ts';
import type { SettingValue } from '../config/setting-kinds.ts';
import { GROUPS, SETTINGS, type Setting, settingValue } from '../config/settings.ts';
import { addCheckAccessCommand } from './access/check-access.ts';
import { colorsFor, writeJson, writeLine } from './process/output.ts';
import { addSettingOptions, loadFromCommand } from './setting-options.ts';

const EXAMPLES = `
Examples:
  sluice config                                 what \`sluice serve\` would use here
  sluice config --config sluice.yaml --slab-count 96
  sluice config --default > sluice.yaml         a file to start from

The output is a valid configuration file. A configuration that cannot be used is
refused with exit code 2 and all of its problems.`;

interface ConfigOptions {
  json?: boolean;
  default?: boolean;
}

export function addConfigCommand(program: Command): void {
  const command = program
    .command('config')
    .description('Print the effective configuration and where each value came from.')
    .option('--json', 'print JSON: value and source of each setting')
    .option('--default', 'print the defaults; ignore flags, environment and file')
    .action(async (options: ConfigOptions) => printConfig(command, options));
  addSettingOptions(command).addHelpText('after', EXAMPLES);
  addCheckAccessCommand(command);
}

async function printConfig(command: Command, options: ConfigOptions): Promise<void> {
  const isDefault = options.default === true;
  const loaded = isDefault ? loadConfig({}) : loadFromCommand(command);
  const bound = memoryBoundBytes(loaded.config);
  if (options.json === true) await writeJson(asJson(loaded, bound));
  else await writeLine(isDefault ? fileExample() : asYaml(loaded, bound));
}

function asJson(loaded: LoadedConfig, bound: MemoryBound): object {
  const settings = SETTINGS.map((each) => [
    each.key,
    { value: settingValue(loaded.config, each), source: sourceAt(loaded, each) },
  ]);
  return { settings: Object.fromEntries(settings), memoryBoundBytes: bound.total };
}

function asYaml(loaded: LoadedConfig, bound: MemoryBound): string {
  const { dim } = colorsFor(process.stdout);
  const entries = ['', ...GROUPS].flatMap((group) => groupEntries(loaded, group));
  const width = Math.max(...entries.map(([text]) => text.length));
  const lines = entries.map(([text, source]) =>
    source === '' ? text : `${text.padEnd(width)}  ${dim(`# ${source}`)}`,
  );
  const parts = Object.values(bound.lines).map(
    (line) => `#   ${line.arithmetic} = ${formatBytes(line.bytes)}`,
  );
  const memory = ['', `# Transfers hold at most ${formatBytes(bound.total)}:`, ...parts].map((line) =>
    dim(line),
  );
  return [...lines, ...memory].join('\n');
}

function groupEntries(loaded: LoadedConfig, group: string): [text: string, source: string][] {
  const indent = group === '' ? '' : '  ';
  const entries = SETTINGS.filter((each) => each.group === group).map((each): [string, string] => {
    const name = each.key.slice(each.key.indexOf('.') + 1);
    return [
      `${indent}${name}: ${yamlValue(settingValue(loaded.config, each), each)}`,
      sourceAt(loaded, each),
    ];
  });
  return group === '' ? entries : [[`${group}:`, ''], ...entries];
}

/** Text is quoted, so that the output reads back as the same configuration. */
function yamlValue(value: SettingValue, { meta }: Setting): string {
  return meta.kind === 'text' ? JSON.stringify(value) : writeValue(value, meta);
}

function sourceAt({ sources }: LoadedConfig, { key }: Setting): string {
  return writeSource(sources.get(key) ?? { kind: 'default' });
}
