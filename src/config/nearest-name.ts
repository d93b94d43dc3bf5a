/** Suggestions for unknown names. */
import { distance } from 'fastest-levenshtein';

/** Names that other programs use for the same settings. */
const SYNONYMS: Readonly<Record<string, string>> = {
  address: 'listen',
  bind: 'listen',
  dir: 'root',
  directory: 'root',
  host: 'listen',
  port: 'listen',
  workers: 'threads',
};

/**
 * The candidate closest to `name`: by the whole name or by its last part, so
 * that `threads` finds `pool.threads`. Case and separators do not count.
 * Throws when there are no candidates.
 */
export function nearestName(name: string, candidates: readonly string[]): string {
  const ranked = candidates.map((candidate) => ({ candidate, rank: rankOf(name, candidate) }));
  return ranked.reduce((best, each) => (each.rank < best.rank ? each : best)).candidate;
}

function rankOf(name: string, candidate: string): number {
  const whole = distance(plain(name), plain(candidate));
  const meant = plain(lastPart(name));
  const lastParts = distance(SYNONYMS[meant] ?? meant, plain(lastPart(candidate)));
  // Half a point: between equally near names, a match of the whole name wins.
  return Math.min(whole, lastParts + 0.5);
}

function lastPart(name: string): string {
  return name.split(/[._-]/).at(-1) ?? name;
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}
