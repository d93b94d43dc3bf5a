/**
 * Floods a server from a process of its own: `node flood-child.js KIND HOST:PORT SECONDS CONNECTIONS [CA TOKEN]`,
 * with the last two over TLS, as whoever the token proves. Prints one line of JSON at its end: connections that the server closed, bytes sent.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { gzipSync } from 'node:zlib';
import {
  callBlock as anonymousBlock,
  data,
  END_HEADERS,
  END_STREAM,
  headers,
  literal,
  opening,
  references,
  reset,
} from './h2-frames.ts';
import { methodOf } from './raw-client.ts';
import { framed } from './raw-http2.ts';

/** At once: a few below what a server takes on a connection, which more would end. */
const STREAMS = 120;
const RETRY_MS = 20;

/** Sends on one connection until it is closed: each piece when the one before it was taken. */
type Flood = (socket: Socket, send: (bytes: Uint8Array) => Promise<boolean>) => Promise<void>;

const [kind = '', address = '', seconds = '3', connections = '20', ca, token] = process.argv.slice(2);
const proof: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
const callBlock = (method: string, more: Record<string, string> = {}) =>
  anonymousBlock(method, { ...proof, ...more });

const odd = (index: number) => 2 * index + 1;

const FLOODS: Readonly<Record<string, Flood>> = {
  /** Header blocks of a few bytes that stand for hundreds of kilobytes. */
  async expanding(_socket, send) {
    const first = Buffer.concat([callBlock('GetFileSize'), literal('x', 'v'.repeat(3900), true)]);
    const block = Buffer.concat([callBlock('GetFileSize'), references(24)]);
    await send(headers(1, first));
    for (let at = 1; at < 100_000; at += STREAMS) {
      const streams = Array.from({ length: STREAMS }, (_, i) => headers(odd(at + i), block));
      if (!(await send(Buffer.concat(streams)))) return;
    }
  },

  /** Calls that are reset as soon as they are made. */
  async resets(_socket, send) {
    const block = callBlock('UploadFile');
    for (let at = 0; at < 1_000_000; at += STREAMS) {
      const streams = Array.from({ length: STREAMS }, (_, i) => [
        headers(odd(at + i), block),
        reset(odd(at + i)),
      ]);
      if (!(await send(Buffer.concat(streams.flat())))) return;
    }
  },

  /** Requests whose message never is complete. */
  async incomplete(socket, send) {
    const part = Buffer.alloc(60_000);
    part.writeUInt32BE(64_000, 1);
    const pieces = Array.from({ length: 4 }, (_, i) => part.subarray(i * 15_000, (i + 1) * 15_000));
    for (let at = 0; at < STREAMS; at++) {
      const frames = pieces.map((piece) => data(odd(at), piece));
      if (!(await send(Buffer.concat([headers(odd(at), callBlock('GetFileSize')), ...frames])))) return;
    }
    await new Promise((resolve) => socket.once('close', resolve));
  },

  /** An upload of messages that carry nothing. */
  async empty(_socket, send) {
    const start = { start: { fileName: `empty-${process.pid}-${Math.random()}`, expectedSize: 1000 } };
    for (let at = 0; at < 100_000; at++) {
      if (!(await send(headers(odd(at), callBlock('UploadFile'))))) return;
      if (!(await send(data(odd(at), framed(methodOf('UploadFile').requestSerialize(start)))))) return;
      const nothing = Buffer.alloc(5 * 3000);
      for (let sent = 0; sent < 100; sent++) {
        if (!(await send(data(odd(at), nothing)))) return;
      }
    }
  },

  /** Small messages that inflate to the most that a request may have, and more. */
  async bombs(_socket, send) {
    const block = callBlock('GetFileSize', { 'grpc-encoding': 'gzip' });
    const name = gzipSync(methodOf('GetFileSize').requestSerialize({ fileName: 'n'.repeat(65_000) }));
    const message = framed(name, true);
    for (let at = 0; at < 10_000_000; at += 50) {
      const calls = Array.from({ length: 50 }, (_, i) => [
        headers(odd(at + i), block),
        data(odd(at + i), message, END_STREAM),
      ]);
      if (!(await send(Buffer.concat(calls.flat())))) return;
    }
  },

  /** Listings that nobody reads. */
  async listings(socket, send) {
    const request = framed(methodOf('ListFiles').requestSerialize({ recursive: true }));
    for (let at = 0; at < 60; at++) {
      const call = [headers(odd(at), callBlock('ListFiles')), data(odd(at), request, END_STREAM)];
      if (!(await send(Buffer.concat(call)))) return;
    }
    await new Promise((resolve) => socket.once('close', resolve));
  },

  /** Questions on one Exchange whose answers nobody reads. */
  asks: (_socket, send) => exchange(send, (id) => [{ id, stat: { fileName: 'file' } }]),

  /** Reads on one Exchange that are cancelled as soon as they are made. */
  cancels: (_socket, send) =>
    exchange(send, (id) => [
      { id, credit: 1_000_000, read: { fileName: 'file' } },
      { id, cancel: true },
    ]),

  /** Credit by the byte for reads that nobody takes from, as many as a stream may have, and more. */
  credits: (_socket, send) =>
    exchange(send, (id) => [
      { id, read: { fileName: 'file' } },
      { id, credit: 1 },
    ]),

  /** Refused names that are as long as a request can be. */
  async names(_socket, send) {
    const name = `\u001b[2J\u009b${'\u202e'.repeat(15_000)}`;
    const request = framed(methodOf('GetFileSize').requestSerialize({ fileName: name }));
    const frames = (stream: number) => {
      const pieces = [];
      for (let from = 0; from < request.length; from += 16_000) {
        const isLast = from + 16_000 >= request.length;
        pieces.push(data(stream, request.subarray(from, from + 16_000), isLast ? END_STREAM : 0));
      }
      return pieces;
    };
    for (let at = 0; at < 10_000_000; at++) {
      const call = [headers(odd(at), callBlock('GetFileSize'), END_HEADERS), ...frames(odd(at))];
      if (!(await send(Buffer.concat(call)))) return;
    }
  },
};

/** One Exchange after the other, each with the messages that `messagesOf` makes for its ids. */
async function exchange(
  send: (bytes: Uint8Array) => Promise<boolean>,
  messagesOf: (id: number) => object[],
): Promise<void> {
  const { requestSerialize } = methodOf('Exchange');
  if (!(await send(headers(1, callBlock('Exchange'))))) return;
  for (let id = 1; id < 10_000_000; id += 100) {
    const messages = Array.from({ length: 100 }, (_, i) => messagesOf(id + i)).flat();
    const bytes = Buffer.concat(messages.map((message) => framed(requestSerialize(message))));
    for (let at = 0; at < bytes.length; at += 16_000) {
      if (!(await send(data(1, bytes.subarray(at, at + 16_000))))) return;
    }
  }
}

const flood = FLOODS[kind];
if (flood === undefined) throw new Error(`there is no flood ${kind}`);
const [host = '', port = ''] = address.split(':');
const endAtMs = performance.now() + Number(seconds) * 1000;
const counts = { opened: 0, closed: 0, sentBytes: 0 };
const sockets = new Set<Socket>();
const tls = ca === undefined ? undefined : { ca: readFileSync(ca), ALPNProtocols: ['h2'] };

async function floodOn(run: Flood): Promise<void> {
  while (performance.now() < endAtMs) {
    // Another address than that of whoever looks on.
    const plain = connect({ host, port: Number(port), localAddress: '127.0.0.2' });
    plain.on('error', () => {});
    const socket = tls === undefined ? plain : connectTls({ ...tls, socket: plain, servername: 'localhost' });
    counts.opened += 1;
    sockets.add(socket);
    let isClosed = false;
    const closed = new Promise<void>((resolve) =>
      socket.once('close', () => {
        isClosed = true;
        if (performance.now() < endAtMs) counts.closed += 1;
        sockets.delete(socket);
        resolve();
      }),
    );
    socket.on('error', () => {});
    socket.on('end', () => socket.destroy());
    socket.resume();
    const send = async (bytes: Uint8Array) => {
      counts.sentBytes += bytes.length;
      await Promise.race([new Promise<void>((resolve) => socket.write(bytes, () => resolve())), closed]);
      // Every other turn of the loop is the sockets'.
      await new Promise((resolve) => setImmediate(resolve));
      return !isClosed && performance.now() < endAtMs;
    };
    if (await send(opening())) await run(socket, send);
    if (performance.now() < endAtMs) await Promise.race([closed, new Promise((r) => setTimeout(r, 50))]);
    if (performance.now() >= endAtMs) break;
    socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

setTimeout(() => {
  for (const socket of sockets) socket.destroy();
  process.stdout.write(`${JSON.stringify(counts)}\n`, () => process.exit(0));
}, Number(seconds) * 1000);
await Promise.all(Array.from({ length: Number(connections) }, () => floodOn(flood)));
