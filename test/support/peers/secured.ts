/**
 * What operators have on: TLS, identities with tokens, and somebody who scrapes the
 * metrics. For floods, which are to cost a server no more with it than without.
 */
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { accessFile, Tokens } from '../../access/tokens.ts';
import { scratchDirectory } from '../scratch.ts';
import type { Settings } from '../test-server.ts';
import { selfSigned, withoutOpenssl } from './certificates.ts';
import type { Proof } from './raw-http2.ts';

export const MODES = ['plain', 'secured'] as const;

export type Mode = (typeof MODES)[number];

/** For the option `skip` of a test in that mode. */
export function cannotBe(mode: Mode): string | false {
  return mode === 'secured' && withoutOpenssl;
}

/** What a server and its clients need in the mode `secured`. Paths are of files. */
export interface Security {
  readonly cert: string;
  readonly key: string;
  readonly access: string;
  /** All of that, and a listener for operators. */
  readonly settings: Settings;
  proofOf(identity: string): Proof;
}

/** Identities that may read, list and write everything, and `scraper`, who may look on. Undefined in the mode `plain`. */
export function securityOf(t: TestContext, mode: Mode, identities: readonly string[]): Security | undefined {
  if (mode === 'plain') return undefined;
  const { cert, key } = selfSigned(scratchDirectory(t), 'server');
  const tokens = new Tokens();
  const { path } = accessFile(t, {
    tokens: tokens.section([...identities, 'scraper']),
    rules: [
      { who: [...identities], may: ['read', 'list', 'write'], on: ['**'] },
      { who: ['scraper'], may: ['observe'] },
    ],
  });
  const ca = readFileSync(cert);
  const settings = { tls: { cert, key }, access: path, admin: { listen: '127.0.0.1:0' } };
  return { cert, key, access: path, settings, proofOf: (identity) => ({ ca, token: tokens.of(identity) }) };
}

export interface Scrapes {
  /** How often there were metrics. */
  readonly count: number;
  /** What came instead. */
  readonly failures: readonly string[];
}

const SCRAPE_EVERY_MS = 1000;

/** Asks for the metrics each second; the function asks once more and ends that. */
export function scrape(t: TestContext, address: string, { proofOf }: Security): () => Promise<Scrapes> {
  const headers = { authorization: `Bearer ${proofOf('scraper').token}` };
  const failures: string[] = [];
  let count = 0;
  const once = async () => {
    try {
      const { ok, status } = await fetch(`http://${address}/metrics`, { headers });
      if (ok) count += 1;
      else failures.push(`status ${status}`);
    } catch (reason) {
      failures.push(String(reason));
    }
  };
  const timer = setInterval(() => void once(), SCRAPE_EVERY_MS);
  t.after(() => clearInterval(timer));
  return async () => {
    clearInterval(timer);
    await once();
    return { count, failures };
  };
}
