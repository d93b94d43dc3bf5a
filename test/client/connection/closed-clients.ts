/** The program that close.test.ts watches end: its clients meet peers that never answer, and are closed. */
import { SluiceClient } from '../../../src/client/client.ts';

const [plaintext, tls] = [process.argv[2], process.argv[3]].map((list) => (list ?? '').split(',')) as [
  string[],
  string[],
];
const options = { connectTimeoutMs: 50, retry: { attempts: 1 }, ownConnection: true };
const clients = [
  ...plaintext.map((address) => new SluiceClient(address, options)),
  ...tls.map((address) => new SluiceClient(address, { ...options, tls: true })),
];
const calls = clients.flatMap((client) => [
  client.getFileSize('a'),
  client.stream('a').next(),
  client.upload(Buffer.alloc(1), 'a'),
]);
const outcomes = await Promise.allSettled(calls);
for (const client of clients) client.close();
// Closed while it connects, with calls that wait for that.
const late = new SluiceClient(plaintext[0] as string, { ...options, connectTimeoutMs: 60_000 });
const lost = late.getFileSize('a').catch(() => {});
setImmediate(() => late.close());
await lost;
process.stdout.write(`${outcomes.filter(({ status }) => status === 'rejected').length} failed`);
