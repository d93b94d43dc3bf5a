/**
 * Asks a server for the size of a file every 50 ms, from a process of its own:
 * `node probe-child.js HOST:PORT NAME [CA TOKEN]`. Prints the time of each answer, in
 * milliseconds, as a line; -1 for one that was no answer.
 */
import { readFileSync } from 'node:fs';
import { credentials } from '@grpc/grpc-js';
import { RawClient } from './raw-client.ts';

const EVERY_MS = 50;
const [address = '', name = '', ca, token] = process.argv.slice(2);
const security = ca === undefined ? credentials.createInsecure() : credentials.createSsl(readFileSync(ca));
const client = new RawClient(address, {}, security, token);

async function ask(): Promise<void> {
  const startMs = performance.now();
  const { status } = await client.unary('GetFileSize', { fileName: name });
  const tookMs = performance.now() - startMs;
  process.stdout.write(`${status === 'OK' ? tookMs.toFixed(1) : -1}\n`);
}

setInterval(() => void ask(), EVERY_MS);
// Whoever started this is gone.
process.stdin.on('end', () => process.exit(0)).resume();
