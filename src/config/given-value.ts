/**
 * Values as given, before validation, and where each came from. `writeSource` is
 * the notation of that origin, in messages and in `sluice config`.
 */

/** Where the effective value of a setting came from, most to least important. */
export type ValueSource =
  | { kind: 'flag'; name: string }
  | { kind: 'environment'; name: string }
  | { kind: 'file'; path: string; line: number }
  | { kind: 'default' };

export interface GivenValue {
  raw: unknown;
  source: ValueSource;
}

/** Given values by key, and what was wrong with the place they came from. */
export interface GivenValues {
  values: Map<string, GivenValue>;
  problems: string[];
}

export function writeSource(source: ValueSource): string {
  if (source.kind === 'flag') return `flag ${source.name}`;
  if (source.kind === 'environment') return `environment ${source.name}`;
  if (source.kind === 'file') return `${source.path}:${source.line}`;
  return 'default';
}
