/**
 * A client that wants more of everything than it may have: connections,
 * downloads, uploads, unfinished uploads, unary calls, and bytes a second. It
 * goes on until it is killed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import grpc from '@grpc/grpc-js';
import { KIB } from '../../src/base/units.ts';
import { TransferService, type TransferServiceClient } from '../peers/contract.ts';
import { proving } from '../peers/stock-client.ts';
import { answer, type GreedyRequest, parseRequest } from './protocol.ts';

const CONNECTIONS = 8;

/** On each connection. */
const DOWNLOADS = 4;
const UPLOADS = 2;
const CALLS = 8;

/** Where the server does not say how long a refused client is to wait. What it costs to refuse floods is measured elsewhere. */
const AFTER_REFUSAL_MS = 1000;

const CHUNK = Buffer.alloc(64 * KIB);
const CHUNK_EVERY_MS = 50;

/** What the refusals of each kind say, see `Account`. */
const KINDS = [
  'connections',
  'downloads and listings',
  'uploads under way',
  'unfinished uploads',
  'calls with a single answer',
];

const { target, token, file } = parseRequest<GreedyRequest>();
const refused = new Set<string>();

/** Runs one call after the other. */
async function again(call: () => Promise<void>): Promise<never> {
  for (;;) {
    try {
      await call();
    } catch (reason) {
      const error = reason as grpc.ServiceError;
      note(error);
      const [pushback] = error.metadata.get('grpc-retry-pushback-ms');
      await sleep(pushback === undefined ? AFTER_REFUSAL_MS : Number(pushback));
    }
  }
}

function note({ code, details }: grpc.ServiceError): void {
  // Its connection was closed: it makes another.
  if (code === grpc.status.UNAVAILABLE) return;
  if (code !== grpc.status.RESOURCE_EXHAUSTED) throw new Error(`status ${code}: ${details}`);
  const kind = KINDS.find((each) => details.includes(each));
  if (kind === undefined || refused.has(kind)) return;
  refused.add(kind);
  if (refused.size === KINDS.length) answer({ event: 'limited' });
}

async function download(client: TransferServiceClient): Promise<void> {
  for await (const _ of client.streamFile({ fileName: file }));
}

function ask(client: TransferServiceClient): Promise<void> {
  return new Promise((resolve, reject) => {
    client.getFileSize({ fileName: file }, (error) => (error === null ? resolve() : reject(error)));
  });
}

let uploads = 0;

/** Sends until the server ends it; a short one is left unfinished. */
async function upload(client: TransferServiceClient, isShort: boolean): Promise<void> {
  let isOver = false;
  let call!: grpc.ClientWritableStream<object>;
  const ended = new Promise<void>((resolve, reject) => {
    call = client.uploadFile((error) => {
      isOver = true;
      if (error === null || error.code === grpc.status.CANCELLED) resolve();
      else reject(error);
    });
  });
  uploads += 1;
  call.write({ start: { fileName: `greedy-${uploads}`, overwrite: 'OVERWRITE_ALWAYS' } });
  for (let sent = 0; !isOver && !(isShort && sent === 2); sent += 1) {
    call.write({ chunk: CHUNK });
    await Promise.race([ended, sleep(CHUNK_EVERY_MS)]);
  }
  if (isShort) call.cancel();
  await ended;
}

const clients = Array.from(
  { length: CONNECTIONS },
  () =>
    new TransferService(target, grpc.credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
      interceptors: [proving(token)],
    }),
);

const times = (count: number, run: (index: number) => Promise<never>) =>
  Array.from({ length: count }, (_, index) => run(index));

await Promise.all(
  clients.flatMap((client) => [
    ...times(DOWNLOADS, () => again(() => download(client))),
    ...times(UPLOADS, (index) => again(() => upload(client, index % 2 === 0))),
    ...times(CALLS, () => again(() => ask(client))),
  ]),
);
