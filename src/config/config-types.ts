/** Writes src/config/config.ts from the schema: types with the description of each setting, for editors. */
import { writeRange } from './notation.ts';
import { writeDefault } from './reference.ts';
import { GROUPS, SETTINGS, type Setting } from './settings.ts';

const TYPE_OF_KIND = {
  bytes: 'number',
  duration: 'number',
  count: 'number',
  text: 'string',
  flag: 'boolean',
};
const UNIT_OF_KIND = { bytes: 'bytes, ', duration: 'milliseconds, ', count: '' };

/** The whole file. */
export function configTypes(): string {
  return `/** Generated from schema.ts by \`npm run docs:generate\`; do not edit. */

/** A complete, valid configuration, as \`loadConfig\` makes it. Sizes are bytes, durations milliseconds. */
export interface Config {
${['', ...GROUPS].map(groupMembers).join('\n')}
}

/**
 * Values of settings by key. Numbers are bytes and milliseconds; text is read as
 * a flag's is (\`64KiB\`, \`30s\`). What is undefined is not set.
 */
export interface SettingValues {
${SETTINGS.map((each) => member(each, '  ', `readonly ${propertyOf(each)}?`, givenType(each))).join('\n')}
}
`;
}

function groupMembers(group: string): string {
  const settings = SETTINGS.filter((each) => each.group === group);
  const indent = group === '' ? '  ' : '    ';
  const members = settings.map((each) => member(each, indent, nameOf(each), typeOf(each))).join('\n');
  return group === '' ? members : `  ${group}: {\n${members}\n  };`;
}

function member(setting: Setting, indent: string, name: string, type: string): string {
  return `${comment(setting, indent)}\n${indent}${name}: ${type};`;
}

function comment({ meta }: Setting, indent: string): string {
  const initial = `default ${writeDefault(meta) || 'empty'}`;
  const { kind } = meta;
  const isNumber = kind === 'bytes' || kind === 'duration' || kind === 'count';
  const facts = isNumber ? `${UNIT_OF_KIND[kind]}${writeRange(meta)}; ${initial}` : initial;
  return `${indent}/** ${meta.describe} (${facts}) */`;
}

function nameOf({ key }: Setting): string {
  return key.slice(key.indexOf('.') + 1);
}

function propertyOf({ group, key }: Setting): string {
  return group === '' ? key : `'${key}'`;
}

function typeOf({ meta }: Setting): string {
  return meta.kind === 'choice'
    ? (meta.choices ?? []).map((word) => `'${word}'`).join(' | ')
    : TYPE_OF_KIND[meta.kind];
}

function givenType(setting: Setting): string {
  const text = ['choice', 'text'].includes(setting.meta.kind) ? '' : ' | string';
  return `${typeOf(setting)}${text} | undefined`;
}
