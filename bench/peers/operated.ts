/** Servers as operators run them: over TLS, with identities, scraped, with a log. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newToken, tokenHash } from '../../src/access/proofs/tokens.ts';
import type { Contender, Server } from '../harness/contender.ts';
import { findFreePort } from '../harness/ports.ts';
import { findProgram } from '../harness/programs.ts';
import { sluice, startSluice } from './sluice.ts';
import { startStock, stockTuned } from './stock.ts';

const SCRAPE_EVERY_MS = 1000;

/** The directory of what a server needs beside its files. */
function scratch(): string {
  return mkdtempSync(join(tmpdir(), 'sluice-bench-operated-'));
}

/** Why certificates cannot be made here; undefined where they can. */
export function whyNoCertificates(): string | undefined {
  return findProgram('openssl') === undefined ? 'openssl is not installed' : undefined;
}

/** Both over TLS 1.3, with a certificate of their own. Call `remove` at the end. */
export function overTls() {
  const folder = scratch();
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench';
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', [...request.split(' '), ...names, '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  const secured = (contender: Contender, start: Contender['start']): Contender => ({
    ...contender,
    start,
    load: (server, plan) => contender.load(server, { ...plan, ca: cert }),
  });
  const flags = [`--tls-cert=${cert}`, `--tls-key=${key}`];
  return {
    flags,
    ca: cert,
    sluice: secured(sluice, (directory) => startSluice(directory, flags)),
    stockTuned: secured(stockTuned, (directory) => startStock('tuned', directory, [cert, key])),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Tokens of the identities that access files here have. */
export const TOKENS = { ours: newToken(), greedy: newToken() };

/** sluice with an access file: both identities have all rights, and `limits` apply. */
export async function startWithAccess(
  directory: string,
  limits: readonly object[],
  flags: readonly string[],
  log?: number,
): Promise<Server> {
  const folder = scratch();
  const path = join(folder, 'access.yaml');
  const tokens = Object.entries(TOKENS).map(([identity, token]) => ({ identity, sha256: tokenHash(token) }));
  const may = ['read', 'list', 'write', 'observe'];
  // JSON is YAML.
  writeFileSync(
    path,
    JSON.stringify({ tokens, rules: [{ who: ['authenticated'], may, on: ['**'] }], limits }),
  );
  const server = await startSluice(directory, [`--access=${path}`, ...flags], [], log);
  return {
    ...server,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** sluice with all that operators have: a token and a rule for each call, a line for each in a file, metrics. */
export const allOn: Contender = {
  name: 'all on',
  async start(directory) {
    const folder = scratch();
    const log = openSync(join(folder, 'log'), 'w');
    const admin = `127.0.0.1:${await findFreePort()}`;
    try {
      const flags = [`--admin-listen=${admin}`, '--log-level=info'];
      const server = await startWithAccess(directory, [], flags, log);
      const stopScraping = scrape(`http://${admin}/metrics`, TOKENS.ours);
      return {
        ...server,
        async stop() {
          await server.stop();
          rmSync(folder, { recursive: true, force: true });
          stopScraping();
        },
      };
    } finally {
      closeSync(log);
    }
  },
  load: (server, plan) => sluice.load(server, { ...plan, token: TOKENS.ours }),
};

/** Scrapes again and again; the function ends that, and throws where it did not work each time. */
function scrape(url: string, token: string): () => void {
  let isOver = false;
  let failure: unknown;
  const once = async () => {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${text.slice(0, 200)}`);
  };
  const timer = setInterval(() => {
    once().catch((reason: unknown) => {
      if (!isOver) failure ??= reason;
    });
  }, SCRAPE_EVERY_MS);
  return () => {
    isOver = true;
    clearInterval(timer);
    if (failure !== undefined) throw new Error('metrics could not be scraped', { cause: failure });
  };
}
