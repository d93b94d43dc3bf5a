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
import { ServerProcess, SMALL_HEAP } from '../server-process.ts';
import { MIB, type Settings, testConfig } from '../test-server.ts';
import { until, within } from '../until.ts';
import { fromAddress } from './from-address.ts';
import { callBlock, headers, opening } from './h2-frames.ts';
import { methodOf } from './raw-client.ts';
import { answerOf, framed, overTls, type Proof, RawSession } from './raw-http2.ts';
import { type Mode, scrape, securityOf } from './secured.ts';

export interface Crowd {
  /** Downloads that read nothing. */
  readers: number;
  /** Uploads that send a byte every two seconds. */
  senders: number;
  /** Uploads that are started, and get no byte. */
  starts: number;
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
/** Of downloads whose rate counts. */
const ROUNDS = 8;
const DRIP_MS = 2000;

/**
 * Fills every limit with the crowd; then uploads and downloads as another address, byte for byte. In the mode
 * `secured` the crowd is one identity, the other is another one, and somebody scrapes the metrics.
 */
export async function workBesideCrowd(
  t: TestContext,
  mode: Mode,
  crowd: Crowd,
  fileBytes: number,
): Promise<Seen> {
  const security = securityOf(t, mode, ['crowd', 'other']);
  const root = scratchRoot(t);
  const config = testConfig(root, { ...settingsFor(crowd), ...security?.settings });
  const file = noise(1, fileBytes);
  const small = noise(2, MIB);
  writeContent(`${root}/file`, file);
  const server = await ServerProcess.start(t, config, { NODE_OPTIONS: SMALL_HEAP });
  const scraped = security && scrape(t, server.adminAddress, security);
  const port = Number(server.address.slice(server.address.lastIndexOf(':') + 1));
  const proof = security?.proofOf('other');
  const client = async () => {
    const options = proof === undefined ? {} : { tls: { ca: proof.ca }, token: proof.token };
    const other = new SluiceClient(await fromAddress(t, port, '127.0.0.2'), options);
    t.after(() => other.close());
    return other;
  };
  const early = await client();
  const aloneBytesPerSec = await rateOf(early, file.size);
  early.close();

  const gathered = await gather(t, port, crowd, security?.proofOf('crowd'));
  const other = await client();
  const startMs = performance.now();
  await within('the upload', other.upload(small.bytes(0, small.size), 'small'));
  const parts: Uint8Array[] = [];
  for await (const piece of other.stream('small')) parts.push(piece);
  const firstMs = performance.now() - startMs;
  assertBytes(Buffer.concat(parts), small, 0);
  const bytesPerSec = await rateOf(other, file.size);
  const { ended } = gathered;
  assert.ok(ended <= 6, `${ended} of the crowd have lost their places to one client with three transfers`);
  const scrapes = await scraped?.();
  if (scrapes !== undefined) {
    assert.deepEqual(scrapes.failures, []);
    assert.ok(scrapes.count > 0, 'nobody got the metrics');
  }
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return {
    firstMs,
    bytesPerSec,
    aloneBytesPerSec,
    peakRssBytes: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024,
    boundBytes: memoryBoundBytes(config).total,
  };
}

/** Each limit is what the crowd takes. */
function settingsFor({ readers, senders, starts, idle, calls }: Crowd): Settings {
  const sessions = [readers, senders, calls].map((count) => Math.ceil(count / STREAMS_PER_CONNECTION));
  return {
    writable: true,
    uploads: { maxOpen: senders + starts, maxTotalSize: DECLARED_BYTES },
    limits: {
      streams: readers,
      uploadStreams: senders,
      calls: Math.ceil(calls / 2),
      connections: idle + 1 + sessions.reduce((sum, count) => sum + count, 0),
      streamsPerConnection: STREAMS_PER_CONNECTION,
    },
  };
}

/** All that unfinished uploads may have together; each that is only started declares as much. */
const DECLARED_BYTES = 1024 * MIB;

/** The best of some downloads, whose checksums are verified: what else the machine does slows some of them. */
async function rateOf(client: SluiceClient, bytes: number): Promise<number> {
  let best = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const startMs = performance.now();
    for await (const piece of client.stream('file')) void piece;
    best = Math.max(best, (bytes / (performance.now() - startMs)) * 1000);
  }
  return best;
}

/** Resolves when each of the crowd has its place. */
async function gather(
  t: TestContext,
  port: number,
  { readers, senders, starts, idle, calls }: Crowd,
  proof: Proof | undefined,
): Promise<Gathered> {
  const gathered = new Gathered(t, port, proof);
  gathered.read(readers);
  gathered.send(senders);
  const haveBegun = () => gathered.begun === readers + senders;
  const state = () => ({ ...gathered });
  await until('all transfers have begun', haveBegun, { limitMs: 60_000, state });
  await gathered.start(starts);
  gathered.idle(idle);
  gathered.ask(calls);
  const haveAsked = () => gathered.asked === calls;
  await until('everybody has asked', haveAsked, { limitMs: 60_000, state });
  return gathered;
}

/** The crowd, as far as it has come. */
class Gathered {
  /** Transfers that the server has answered, and those that have ended. */
  begun = 0;
  ended = 0;
  /** Calls that are all but whole. */
  asked = 0;
  readonly #t: TestContext;
  readonly #port: number;
  readonly #proof: Proof | undefined;
  /** Each sends a byte more. */
  readonly #drips: (() => void)[] = [];

  constructor(t: TestContext, port: number, proof: Proof | undefined) {
    this.#t = t;
    this.#port = port;
    this.#proof = proof;
    const timer = setInterval(() => {
      for (const drip of this.#drips) drip();
    }, DRIP_MS);
    t.after(() => clearInterval(timer));
  }

  read(count: number): void {
    const sessions = this.#sessions();
    for (let index = 0; index < count; index += 1)
      this.#transfer(sessions().call('StreamFile', { fileName: 'file' }).pause());
  }

  send(count: number): void {
    const sessions = this.#sessions();
    for (let index = 0; index < count; index += 1) {
      const stream = this.#transfer(sessions().open('UploadFile'));
      const start = { fileName: `slow-${index}`, overwrite: 'OVERWRITE_ALWAYS' };
      stream.write(framed(methodOf('UploadFile').requestSerialize({ start, chunk: Buffer.alloc(1) })));
      // The head of a message.
      this.#drips.push(() => {
        if (!stream.destroyed) stream.write(Buffer.alloc(1));
      });
    }
  }

  async start(count: number): Promise<void> {
    const session = this.#session();
    for (let index = 0; index < count; index += STREAMS_PER_CONNECTION) {
      const names = Array.from({ length: Math.min(STREAMS_PER_CONNECTION, count - index) }, (_, i) => ({
        fileName: `empty-${index + i}`,
        expectedSize: DECLARED_BYTES,
      }));
      const answers = names.map((request) => answerOf(session.call('StartUpload', request)));
      for (const answer of await within('uploads are started', Promise.all(answers)))
        assert.equal(answer.headers['grpc-status'], '0', String(answer.headers['grpc-message']));
    }
  }

  idle(count: number): void {
    const kinds = [
      // Says nothing at all.
      () => this.#connect(),
      // Begins to say what it speaks.
      () => this.#connect().write(this.#proof === undefined ? PREFACE_BEGUN : HELLO_BEGUN),
      // Asked once, and answers pings.
      () => this.#session().call('GetFileSize', { fileName: 'file' }).resume(),
      // Says what it wants a byte at a time.
      () => this.#ask(),
    ];
    for (let index = 0; index < count; index += 1) kinds[index % kinds.length]?.();
  }

  ask(count: number): void {
    const sessions = this.#sessions();
    const short = Buffer.alloc(60_000);
    short.writeUInt32BE(60_000, 1);
    for (let index = 0; index < count; index += 1) {
      const stream = sessions().open('GetFileSize');
      stream.resume();
      stream.write(short, () => {
        this.asked += 1;
      });
    }
  }

  #transfer(stream: ClientHttp2Stream): ClientHttp2Stream {
    stream.once('response', () => {
      this.begun += 1;
    });
    return stream.on('close', () => {
      this.ended += 1;
    });
  }

  #ask(): void {
    const plain = this.#connect();
    const socket = this.#proof === undefined ? plain : overTls(plain, this.#proof);
    socket.write(opening());
    const bytes = headers(1, callBlock('GetFileSize'));
    let at = 0;
    this.#drips.push(() => {
      if (socket.writable) socket.write(bytes.subarray(at, at + 1));
      at += 1;
    });
  }

  #connect() {
    const socket = connect(this.#port, '127.0.0.1').on('error', () => {});
    this.#t.after(() => socket.destroy());
    return socket;
  }

  #session(): RawSession {
    return new RawSession(this.#t, this.#port, { initialWindowSize: 1000 }, '127.0.0.1', this.#proof);
  }

  /** For one stream after the other: as few sessions as may carry them. */
  #sessions(): () => RawSession {
    let session: RawSession;
    let streams = 0;
    return () => {
      if (streams % STREAMS_PER_CONNECTION === 0) session = this.#session();
      streams += 1;
      return session;
    };
  }
}

const PREFACE_BEGUN = opening().subarray(0, 10);

/** The record of a ClientHello, and the first bytes of it. */
const HELLO_BEGUN = Buffer.from('1603010200010001fc0303', 'hex');
