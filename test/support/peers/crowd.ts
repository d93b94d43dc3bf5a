/** A server full of peers of one address that do next to nothing, and one of another address that wants to work. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { ClientHttp2Stream } from 'node:http2';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { memoryBoundBytes } from '../../../src/config/memory/memory-bound.ts';
import { SluiceClient } from '../../../src/index.ts';
import { assertBytes, noise, writeContent } from '../content.ts';
import { scratchRoot } from '../scratch.ts';
import { ServerProcess } from '../server-process.ts';
import { MIB, testConfig } from '../test-server.ts';
import { until, within } from '../until.ts';
import { fromAddress } from './from-address.ts';
import { methodOf } from './raw-client.ts';
import { framed, RawSession } from './raw-http2.ts';

export interface Crowd {
  /** Downloads that read nothing. */
  readers: number;
  /** Uploads that send a byte every two seconds. */
  senders: number;
  /** Connections that ask nothing. */
  idle: number;
  /** Calls with a single answer whose message stays a byte short of its 60,000; half of them find no place. */
  calls: number;
}

export interface Seen {
  /** From the first call to the last byte of a small upload and a small download. */
  firstMs: number;
  /** Of a large download. */
  bytesPerSec: number;
  aloneBytesPerSec: number;
  peakRssBytes: number;
  /** What the configuration says that transfers hold at the most. */
  boundBytes: number;
}

/** Node, its code and its threads, on top of what the configuration says. */
export const BASE_BYTES = 150 * MIB;

const STREAMS_PER_CONNECTION = 100;

/** Fills every limit with the crowd; then uploads and downloads as another address, byte for byte. */
export async function workBesideCrowd(t: TestContext, crowd: Crowd, fileBytes: number): Promise<Seen> {
  const { readers, senders, idle, calls } = crowd;
  const sessions = [readers, senders, calls].map((count) => Math.ceil(count / STREAMS_PER_CONNECTION));
  const limits = {
    streams: readers,
    uploadStreams: senders,
    calls: Math.ceil(calls / 2),
    connections: idle + sessions.reduce((sum, count) => sum + count, 0),
    streamsPerConnection: STREAMS_PER_CONNECTION,
  };
  const root = scratchRoot(t);
  const config = testConfig(root, { writable: true, limits });
  const file = noise(1, fileBytes);
  const small = noise(2, MIB);
  writeContent(`${root}/file`, file);
  const server = await ServerProcess.start(t, config);
  const port = Number(server.address.slice(server.address.lastIndexOf(':') + 1));
  const client = async () => {
    const other = new SluiceClient(await fromAddress(t, port, '127.0.0.2'));
    t.after(() => other.close());
    return other;
  };
  const early = await client();
  const aloneBytesPerSec = await rateOf(early, file.size);
  early.close();

  const ends = await gather(t, port, crowd);
  const other = await client();
  const startMs = performance.now();
  await within('the upload', other.upload(small.bytes(0, small.size), 'small'));
  const parts: Uint8Array[] = [];
  for await (const piece of other.stream('small')) parts.push(piece);
  const firstMs = performance.now() - startMs;
  assertBytes(Buffer.concat(parts), small, 0);
  const bytesPerSec = await rateOf(other, file.size);
  assert.ok(ends() <= 6, `${ends()} of the crowd have lost their places to one client with three transfers`);
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return {
    firstMs,
    bytesPerSec,
    aloneBytesPerSec,
    peakRssBytes: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024,
    boundBytes: memoryBoundBytes(config).total,
  };
}

/** The better of three downloads, whose checksums are verified. */
async function rateOf(client: SluiceClient, bytes: number): Promise<number> {
  let best = 0;
  for (let round = 0; round < 3; round += 1) {
    const startMs = performance.now();
    for await (const piece of client.stream('file')) void piece;
    best = Math.max(best, (bytes / (performance.now() - startMs)) * 1000);
  }
  return best;
}

/** Resolves when each of them has its place; returns how many transfers have ended. */
async function gather(
  t: TestContext,
  port: number,
  { readers, senders, idle, calls }: Crowd,
): Promise<() => number> {
  const sessions: RawSession[] = [];
  let begun = 0;
  let ended = 0;
  const add = (stream: ClientHttp2Stream) => {
    stream.on('close', () => {
      ended += 1;
    });
    return stream;
  };
  const sessionFor = (index: number) => {
    if (index % STREAMS_PER_CONNECTION === 0)
      sessions.push(new RawSession(t, port, { initialWindowSize: 1000 }));
    return sessions.at(-1) as RawSession;
  };
  for (let index = 0; index < readers; index += 1) {
    const stream = add(sessionFor(index).call('StreamFile', { fileName: 'file' }).pause());
    stream.once('response', () => {
      begun += 1;
    });
  }
  const drips: ClientHttp2Stream[] = [];
  for (let index = 0; index < senders; index += 1) {
    const stream = add(sessionFor(index).open('UploadFile'));
    const start = { fileName: `slow-${index}`, overwrite: 'OVERWRITE_ALWAYS' };
    stream.write(framed(methodOf('UploadFile').requestSerialize({ start, chunk: Buffer.alloc(1) })));
    stream.once('response', () => {
      begun += 1;
    });
    drips.push(stream);
  }
  const dripping = setInterval(() => {
    // The head of a message, a byte at a time.
    for (const stream of drips) if (!stream.destroyed) stream.write(Buffer.alloc(1));
  }, 2000);
  t.after(() => clearInterval(dripping));
  let asked = 0;
  const short = Buffer.alloc(60_000);
  short.writeUInt32BE(60_000, 1);
  for (let index = 0; index < calls; index += 1) {
    const stream = sessionFor(index).open('GetFileSize');
    stream.resume();
    stream.write(short, () => {
      asked += 1;
    });
  }
  for (let index = 0; index < idle; index += 1) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    t.after(() => socket.destroy());
  }
  await until('everybody has a place', () => begun === readers + senders && asked === calls, {
    limitMs: 60_000,
    state: () => ({ begun, ended, asked }),
  });
  return () => ended;
}
