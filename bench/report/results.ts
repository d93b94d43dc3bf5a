/**
 * The figures that the page is made of: the newest result of each scenario,
 * kept in the repository because bench/results is not.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ResultDocument } from '../harness/report.ts';

/** More digits than this are noise, and make every line of a diff differ. */
const KEPT_DIGITS = 4;

/** The newest whole result of each scenario in a folder of result files; none when there is no folder. */
export function readNewest(folder: string): ResultDocument[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  const documents = names.map((name) => readDocument(join(folder, name)));
  return newestOf(documents.filter(({ only }) => only === undefined));
}

/** The results that the committed page was made from; none when there is no page yet. */
export function readCommitted(path: string): ResultDocument[] {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as ResultDocument[]) : [];
}

/** One result for each scenario, in the order of their names. */
export function newestOf(documents: readonly ResultDocument[]): ResultDocument[] {
  const newest = new Map<string, ResultDocument>();
  for (const document of documents) {
    const known = newest.get(document.scenario);
    if (known === undefined || known.date < document.date) newest.set(document.scenario, document);
  }
  return [...newest.values()].sort((one, other) => (one.scenario < other.scenario ? -1 : 1));
}

/** As it is committed. */
export function writeResults(documents: readonly ResultDocument[]): string {
  return `${JSON.stringify(documents, rounded, 1)}\n`;
}

function rounded(_key: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isInteger(value)) return value;
  return Number(value.toPrecision(KEPT_DIGITS));
}

function readDocument(path: string): ResultDocument {
  return JSON.parse(readFileSync(path, 'utf8')) as ResultDocument;
}
