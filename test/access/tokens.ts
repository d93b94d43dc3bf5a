/** Access files of tests, and the tokens in them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { newToken, tokenHash } from '../../src/access/proofs/tokens.ts';
import { scratchDirectory } from '../support/scratch.ts';

/** Tokens of identities, by name. */
export class Tokens {
  readonly #tokens = new Map<string, string>();

  /** Of an identity; made when it is first asked for. */
  of(identity: string): string {
    const token = this.#tokens.get(identity) ?? newToken();
    this.#tokens.set(identity, token);
    return token;
  }

  /** The section `tokens` with all of them, or those of `identities`. */
  section(identities: readonly string[] = [...this.#tokens.keys()]): object[] {
    return identities.map((identity) => ({ identity, sha256: tokenHash(this.of(identity)) }));
  }
}

/** A file that is replaced as a whole, as editors do. JSON is YAML. */
export function accessFile(t: TestContext, content: object): { path: string; write(content: object): void } {
  const path = join(scratchDirectory(t), 'access.yaml');
  const write = (written: object) => writeFileSync(path, JSON.stringify(written));
  write(content);
  return { path, write };
}
