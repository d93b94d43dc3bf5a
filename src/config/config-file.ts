/**
 * Settings from the YAML file named by `--config` or SLUICE_CONFIG, each with
 * its line. No file is read by default: the working directory is often the
 * served one, and whoever may put a file there must not reconfigure the server.
 */
import { readFileSync } from 'node:fs';
import { isAlias, isMap, isScalar, LineCounter, type ParsedNode, parseDocument, type YAMLMap } from 'yaml';
import { errnoOf } from '../base/errors.ts';
import type { GivenValues } from './given-value.ts';
import { GROUPS, settingOfKey } from './settings.ts';
import { unknownKeyProblem } from './value-problem.ts';

/** Never throws: a file that cannot be read is one of the problems. */
export function readConfigFile(path: string): GivenValues {
  try {
    return parseConfigText(readFileSync(path, 'utf8'), path);
  } catch (error) {
    return { values: new Map(), problems: [unreadable(path, error)] };
  }
}

/** `path` is for messages and sources only. */
export function parseConfigText(text: string, path: string): GivenValues {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const reader = new SettingsReader(path, lines);
  for (const error of document.errors) reader.report(error.pos[0], `not valid YAML: ${error.message}`);
  const root = document.contents;
  if (document.errors.length > 0 || root === null) return reader.given;
  if (isMap(root)) reader.readGroup('', root);
  else if (!isEmpty(root)) reader.report(root.range[0], 'expected settings such as "pool: { threads: 4 }"');
  return reader.given;
}

/** Walks groups and collects settings by key. */
class SettingsReader {
  readonly given: GivenValues = { values: new Map(), problems: [] };
  readonly #path: string;
  readonly #lines: LineCounter;

  constructor(path: string, lines: LineCounter) {
    this.#path = path;
    this.#lines = lines;
  }

  report(offset: number, problem: string): void {
    this.given.problems.push(`${this.#path}:${this.#lines.linePos(offset).line}: ${problem}`);
  }

  readGroup(prefix: string, map: YAMLMap<ParsedNode, ParsedNode | null>): void {
    for (const { key: name, value } of map.items) {
      const key = prefix + (isScalar(name) ? String(name.value) : String(name));
      this.#readEntry(key, name.range[0], value);
    }
  }

  #readEntry(key: string, offset: number, value: ParsedNode | null): void {
    const problem = this.#entryProblem(key, value);
    if (problem !== undefined) {
      this.report(offset, problem);
    } else if (isMap(value)) {
      this.readGroup(`${key}.`, value);
    } else if (!isEmpty(value)) {
      const source = { kind: 'file', path: this.#path, line: this.#lines.linePos(offset).line } as const;
      this.given.values.set(key, { raw: rawValue(value), source });
    }
  }

  #entryProblem(key: string, value: ParsedNode | null): string | undefined {
    const isGroup = GROUPS.includes(key);
    if (!isGroup && settingOfKey(key) === undefined) return unknownKeyProblem(key);
    if (isGroup && !isMap(value) && !isEmpty(value)) {
      return `${key} is a group of settings; write them indented below it`;
    }
    if (!isGroup && isMap(value)) return `${key} is one setting, not a group of them`;
    if (isAlias(value)) return `${key}: aliases are not supported; write the value`;
    if (this.given.values.has(key)) return `${key} is set twice`;
    return undefined;
  }
}

/** `tls:` with everything below it commented out sets nothing. */
function isEmpty(node: ParsedNode | null): boolean {
  return node === null || (isScalar(node) && node.value === null);
}

/** Numbers become text again, so that a duration without a unit is refused as elsewhere. */
function rawValue(node: ParsedNode | null): unknown {
  if (!isScalar(node)) return node?.toJSON();
  return typeof node.value === 'number' ? String(node.value) : node.value;
}

function unreadable(path: string, error: unknown): string {
  if (errnoOf(error) === 'ENOENT') return `${path}: there is no such file; --config names a YAML file`;
  if (errnoOf(error) === 'EISDIR') return `${path}: is a directory; --config names a YAML file`;
  return `${path}: cannot be read (${errnoOf(error) ?? String(error)})`;
}
