/**
 * Streams of sluice's client whose consumers take the first piece and then no
 * more. Reports what the process holds for them: its peak over what it was
 * before.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SluiceClient } from '../../src/client/client.ts';
import { readPeakRssBytes } from '../harness/proc.ts';
import { answer, parseRequest, type StoppedConsumersRequest } from './protocol.ts';

const { target, file, streams, connections, warmUpBytes, seconds } = parseRequest<StoppedConsumersRequest>();

const clients = Array.from(
  { length: connections },
  () => new SluiceClient(target, { compression: 'never', ownConnection: true }),
);

for (const client of clients) {
  if (warmUpBytes === 0) await client.getFileSize(file);
  else for await (const _ of client.stream(file, { limit: warmUpBytes / connections }));
}

const rssBeforeBytes = process.memoryUsage.rss();
const stopped = Array.from({ length: streams }, (_, stream) => {
  const client = clients[stream % connections] as SluiceClient;
  return client.stream(file);
});
await Promise.all(stopped.map((stream) => stream.next()));
await sleep(seconds * 1000);
answer({ event: 'held', rssBeforeBytes, peakRssBytes: readPeakRssBytes(process.pid) });
process.exit(0);
