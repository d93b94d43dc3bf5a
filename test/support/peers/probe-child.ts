/**
 * Asks a server for the size of a file every 50 ms, from a process of its own:
 * `node probe-child.js HOST:PORT NAME`. Prints the time of each answer, in
 * milliseconds, as a line; -1 for one that was no answer.
 */
import { RawClient } from './raw-client.ts';

const EVERY_MS = 50;
const [address = '', name = ''] = process.argv.slice(2);
const client = new RawClient(address);

async function ask(): Promise<void> {
  const startMs = performance.now();
  const { status } = await client.unary('GetFileSize', { fileName: name });
  const tookMs = performance.now() - startMs;
  process.stdout.write(`${status === 'OK' ? tookMs.toFixed(1) : -1}\n`);
}

setInterval(() => void ask(), EVERY_MS);
// Whoever started this is gone.
process.stdin.on('end', () => process.exit(0)).resume();
