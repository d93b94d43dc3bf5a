/** The message about one wrong key or value: what was given, what is expected, an example. */
import type { ZodError } from 'zod';
import { nearestName } from './nearest-name.ts';
import { writeRange, writeValue } from './notation.ts';
import { isUnitless, type SettingKind, type SettingMeta } from './setting-kinds.ts';
import { SETTINGS, type Setting } from './settings.ts';

/** What is shown of a wrong value. */
const MAX_SHOWN_CHARS = 60;

const KIND_NAMES: Readonly<Record<SettingKind, string>> = {
  bytes: 'a size',
  duration: 'a duration',
  count: 'a whole number',
  text: 'text',
  flag: 'true or false',
  choice: 'one of the choices',
};

/** For a key that is none, with the nearest one. */
export function unknownKeyProblem(key: string): string {
  const known = SETTINGS.map((each) => each.key);
  return `there is no setting "${key}"; did you mean "${nearestName(key, known)}"?`;
}

/** Undefined when the schema takes the value. */
export function valueProblem(setting: Setting, raw: unknown): string | undefined {
  const result = setting.schema.safeParse(raw);
  if (result.success) return undefined;
  return `${shown(raw)} ${reason(setting.meta, raw, result.error)}; expected ${expectation(setting.meta)}`;
}

function reason(meta: SettingMeta, raw: unknown, error: ZodError): string {
  const issue = error.issues[0]?.code;
  if (raw === '') return 'is empty';
  if (issue === 'too_big') return 'is too large';
  if (issue === 'too_small') return 'is too small';
  if (meta.kind === 'duration' && typeof raw === 'string' && isUnitless(raw)) {
    return 'is a duration without a unit';
  }
  return `is not ${KIND_NAMES[meta.kind]}`;
}

function expectation(meta: SettingMeta): string {
  const range = writeRange(meta);
  switch (meta.kind) {
    case 'bytes':
      return `a size from ${range}, such as 64KiB`;
    case 'duration':
      return `a duration from ${range}, such as 30s`;
    case 'count':
      return `a whole number from ${range}, such as ${writeValue(meta.initial, meta)}`;
    case 'text':
      return meta.initial === '' ? 'text' : `text such as ${meta.initial}`;
    default:
      return String(range);
  }
}

function shown(raw: unknown): string {
  const text = JSON.stringify(raw) ?? String(raw);
  return text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}…` : text;
}
