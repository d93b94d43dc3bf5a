/**
 * The client process of `sluice tune`: reads the sample's files from a server in
 * the requested number of streams, and counts the bytes of the measured time.
 * One load at a time.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { TransferError } from '../../base/errors.ts';
import { SluiceClient } from '../../client/client.ts';
import type { CloseRequest, LoadAnswer, LoadRequest } from './workload.ts';

/** Streams share connections beyond this many, as those of one service do. */
const MAX_CONNECTIONS = 4;

/** Between two looks whether any byte has moved. */
const RECHECK_MS = 10;

/** A server that died is not coming back. */
const RETRY = { attempts: 3, outageMs: 0 };

/** The clients of each server by their options, kept from one load to the next. */
const clientsOfTarget = new Map<string, Map<string, SluiceClient[]>>();

// Ctrl-C on a terminal reaches this process too, but its parent decides when it ends.
process.on('SIGINT', () => {});

// Nothing else keeps the process alive between two loads.
process.channel?.ref();
process.on('message', (question: LoadRequest | CloseRequest) => {
  if ('close' in question) close(question.close);
  else
    void measure(question)
      .catch((reason: unknown): LoadAnswer => ({ error: TransferError.from(reason).message }))
      .then((answer) => process.send?.(answer));
});

async function measure(request: LoadRequest): Promise<LoadAnswer> {
  const clients = clientsFor(request);
  const stop = new AbortController();
  let bytes = 0;
  const streams = Array.from({ length: request.streams }, (_, stream) =>
    readOn(clients[stream % clients.length] as SluiceClient, request, stream, stop.signal, (count) => {
      bytes += count;
    }),
  );
  // They end only when they fail, until they are stopped.
  const failed = Promise.all(streams);
  try {
    await Promise.race([failed, delay(request.settleMs)]);
    const [bytesBefore, startMs] = [bytes, performance.now()];
    await Promise.race([failed, delay(request.durationMs)]);
    // A busy machine may move nothing in `durationMs`; the client's stall timeout bounds the wait.
    while (bytes === bytesBefore) await Promise.race([failed, delay(RECHECK_MS)]);
    return { bytes: bytes - bytesBefore, seconds: (performance.now() - startMs) / 1000 };
  } finally {
    stop.abort();
    await Promise.allSettled(streams);
  }
}

/** One stream: file after file, each stream beginning with another file. */
async function readOn(
  client: SluiceClient,
  { files }: LoadRequest,
  stream: number,
  signal: AbortSignal,
  onBytes: (count: number) => void,
): Promise<void> {
  try {
    for (let next = stream; !signal.aborted; next += 1) {
      const file = files[next % files.length] as LoadRequest['files'][number];
      for await (const chunk of client.stream(file.name, { limit: file.bytes, signal }))
        onBytes(chunk.byteLength);
    }
  } catch (reason) {
    if (!signal.aborted) throw reason;
  }
}

function clientsFor({ chunkBytes, compression, streams, target }: LoadRequest): SluiceClient[] {
  const kinds = clientsOfTarget.get(target) ?? new Map<string, SluiceClient[]>();
  clientsOfTarget.set(target, kinds);
  const kind = `${compression} ${chunkBytes}`;
  const clients = kinds.get(kind) ?? [];
  kinds.set(kind, clients);
  const count = Math.min(streams, MAX_CONNECTIONS);
  while (clients.length < count)
    clients.push(new SluiceClient(target, { chunkBytes, compression, ownConnection: true, retry: RETRY }));
  return clients.slice(0, count);
}

function close(target: string): void {
  for (const clients of clientsOfTarget.get(target)?.values() ?? []) {
    for (const client of clients) client.close();
  }
  clientsOfTarget.delete(target);
}
