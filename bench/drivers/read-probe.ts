/** Reads ranges of a file, a few at the same time, and reports how long each of them took. */
import { randomInt } from 'node:crypto';
import { SluiceClient } from '../../src/client/client.ts';
import { percentile } from '../harness/statistics.ts';
import { answer, parseRequest, type ReadProbeRequest } from './protocol.ts';

const { target, file, rangeBytes, warmUpReads, reads, inFlight } = parseRequest<ReadProbeRequest>();
const client = new SluiceClient(target, { ownConnection: true });
const size = await client.getFileSize(file);

async function read(): Promise<number> {
  const startMs = performance.now();
  let bytes = 0;
  const range = { start: randomInt(size - rangeBytes), limit: rangeBytes };
  for await (const piece of client.stream(file, range)) bytes += piece.length;
  if (bytes !== rangeBytes) throw new Error(`a range of ${rangeBytes} bytes had ${bytes}`);
  return performance.now() - startMs;
}

async function readAll(count: number): Promise<number[]> {
  const latenciesMs: number[] = [];
  let left = count;
  const one = async () => {
    while (left-- > 0) latenciesMs.push(await read());
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  return latenciesMs;
}

await readAll(warmUpReads);
const latenciesMs = await readAll(reads);
answer({
  event: 'report',
  calls: latenciesMs.length,
  p50Ms: percentile(latenciesMs, 50),
  p99Ms: percentile(latenciesMs, 99),
  maxMs: Math.max(...latenciesMs),
});
process.exit(0);
