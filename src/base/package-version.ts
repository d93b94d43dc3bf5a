import { readFileSync } from 'node:fs';

/** The version of sluice, as package.json has it; read when asked for. */
export function packageVersion(): string {
  // Seen from dist/src/base.
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
