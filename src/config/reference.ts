/**
 * Writes docs/configuration.md from the schema, so that the page matches the
 * program; a test checks for drift.
 */
import { formatBytes } from '../base/units.ts';
import { memoryBoundBytes } from './memory/memory-bound.ts';
import { writeRange, writeValue } from './notation.ts';
import { configSchema } from './schema.ts';
import type { SettingMeta } from './setting-kinds.ts';
import { GROUPS, SETTINGS, type Setting } from './settings.ts';

/** Fixed, so that the page does not depend on the machine. */
const EXAMPLE_THREADS = 4;

const INTRODUCTION = `# Configuration

Generated from \`src/config/schema.ts\` by \`npm run docs:generate\`; do not edit.

Every setting of \`sluice serve\` can be given as a flag, as an environment variable or in a YAML file. A flag wins over the environment, the environment over the file, the file over the default. \`sluice config\` takes the same flags and prints the effective value of each setting and where it came from.

- The file is named by \`--config PATH\` or \`SLUICE_CONFIG\`. No file is read unless it is named: the working directory is often the one being served.
- Sizes are whole bytes or have a binary unit: \`65536\`, \`64KiB\`, \`1.5MiB\`, \`1GiB\` (\`K\`, \`M\`, \`G\` mean the same). Durations always have a unit, except 0: \`250ms\`, \`30s\`, \`5m\`, \`1h\`.
- What is true or false has a flag without a value, for what is not the default: \`--writable\`, \`--no-s3-hedge\`.
- An empty environment variable or file entry counts as not set. An unknown name is an error that names the nearest known one.
- Relative paths start at the working directory.
- All problems are reported at once, and the program exits with code 2.
- On SIGHUP a running server reads its configuration again, and takes over the settings that are marked *live*. The others take effect after a restart. One line of the log says which settings changed, and which of them need a restart. With several processes, the others take effect by new processes, one after the other ([processes.md](processes.md)).
`;

/** The whole page. */
export function configurationPage(): string {
  const groups = ['', ...GROUPS].map(groupSection);
  return [INTRODUCTION, '## Settings\n', ...groups, fileSection(), relationSection(), memorySection()].join(
    '\n',
  );
}

function groupSection(group: string): string {
  const rows = SETTINGS.filter((each) => each.group === group).map(row);
  const heading = group === '' ? '' : `### ${group}\n\n`;
  const head =
    '| key | flag | environment | default | range | reload | what it does |\n|---|---|---|---|---|---|---|';
  return `${heading}${head}\n${rows.join('\n')}\n`;
}

function row({ key, flag, env, meta }: Setting): string {
  const reload = meta.isLive ? 'live' : '';
  const values = [writeDefault(meta), writeRange(meta) ?? ''];
  const cells = [code(key), code(flag), code(env), ...values, reload, meta.describe];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function code(text: string): string {
  return `\`${text}\``;
}

/** The default in words; empty where the setting is not set by default. */
export function writeDefault(meta: SettingMeta): string {
  return meta.initialRule ?? writeValue(meta.initial, meta);
}

function fileSection(): string {
  return `## The file

\`\`\`yaml
${fileExample()}
\`\`\`
`;
}

/** Every setting at its default, commented out where the default depends on the machine or is empty. */
export function fileExample(): string {
  return ['', ...GROUPS].map((group) => fileGroup(group).join('\n')).join('\n');
}

function fileGroup(group: string): string[] {
  const settings = SETTINGS.filter((each) => each.group === group);
  const indent = group === '' ? '' : '  ';
  const lines = settings.map((each) => indent + fileLine(each));
  return group === '' ? lines : [`${group}:`, ...lines];
}

function fileLine({ key, meta }: Setting): string {
  const name = key.slice(key.indexOf('.') + 1);
  const isOpen = meta.initialRule !== undefined || meta.initial === '';
  return isOpen
    ? `# ${name}: ${meta.initialRule ?? ''}`.trimEnd()
    : `${name}: ${writeValue(meta.initial, meta)}`;
}

function relationSection(): string {
  return `## Relations between settings

A configuration that breaks one of these is refused, with the arithmetic and a value that would do.

- \`chunk.size\` ≤ \`chunk.maxSize\` ≤ \`slab.size\`, and \`stream.firstMessage\` ≤ \`slab.size\`.
- \`slab.count\` ≥ \`pool.threads\` + 3: \`pool.threads\` + 1 jobs outstanding, one slab ready, one being sent.
- The memory bound below is at most the memory of the machine, or of the container where that is less.
- \`tls.cert\` and \`tls.key\` come together; \`tls.clientCa\` needs both.
- \`listen\` on an address that other machines can reach needs TLS or \`insecure\`.
`;
}

function memorySection(): string {
  const bound = memoryBoundBytes(configSchema.parse({ pool: { threads: EXAMPLE_THREADS } }));
  const lines = Object.values(bound.lines).map(
    ({ holder, arithmetic, bytes }) => `| ${holder} | ${arithmetic} | ${formatBytes(bytes)} |`,
  );
  return `## Memory

What transfers can hold at the most does not depend on the size or number of files. With the defaults and ${EXAMPLE_THREADS} threads:

| who holds it | sum | bytes |
|---|---|---|
${lines.join('\n')}
| together | | ${formatBytes(bound.total)} |

A writable server that is given a [store of its own](library.md#a-store-of-your-own) also counts \`slab.size\` × (2 × \`pool.threads\` + 1): what workers decompress for a store without descriptors, and the compressed bytes that are kept until a job is answered. Node itself, its code and its idle threads come on top.
`;
}
