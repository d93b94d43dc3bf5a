/**
 * Transfers through a link that is cut, stalled and half-closed at random
 * bytes. Each ends in the right bytes or in an error that says what to do, and
 * leaves nothing behind on either side; what was interrupted on its way to or
 * from a path is then finished over a sound link.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import type { DirectedFault } from '../../../link-emulator/connection.ts';
import { type Link, startLink } from '../../../link-emulator/link.ts';
import { type ErrorCode, TransferError } from '../../../src/base/errors.ts';
import { SluiceClient } from '../../../src/client/client.ts';
import type { ClientOptions } from '../../../src/client/options.ts';
import { noise } from '../content.ts';
import { openDescriptors, openFilesBelow, scratchDirectory } from '../scratch.ts';
import { Random, seedOf } from '../seed.ts';
import { KIB, MIB, type Settings, startServer, type TestServer } from '../test-server.ts';
import { until, within } from '../until.ts';

/** Those that a link can cause: it may be gone, hang, or reset a call. */
const LINK_ERRORS: readonly ErrorCode[] = ['UNAVAILABLE', 'STALLED', 'CANCELLED', 'DEADLINE_EXCEEDED'];

const MAX_BYTES = 2 * MIB;

/** Above 64 MiB an upload has several parts, and so uses several connections. */
const SEVERAL_PARTS_BYTES = 70 * MIB;

/** One in so many uploads from a path is that large. */
const SEVERAL_PARTS_IN = 16;

/** Stalls end after this, but for some. */
const MAX_STALL_MS = 150;
const STALLS_FOR_EVER = 0.15;

/** Gives up soon: an error is a good end as well. */
const CLIENT: ClientOptions = {
  ownConnection: true,
  chunkBytes: 64 * KIB,
  connectTimeoutMs: 200,
  stallTimeoutMs: 100,
  retry: { attempts: 3, outageMs: 100, initialBackoffMs: 1, maxBackoffMs: 10 },
};

/** Over a sound link nothing may fail. */
const SOUND: ClientOptions = { ownConnection: true, chunkBytes: 64 * KIB };

const SERVER: Settings = {
  writable: true,
  stream: { stallTimeout: '150ms', stallLinger: '50ms' },
  uploads: { sync: 'batched', syncBytes: MIB, syncInterval: 10, minFree: 0 },
};

const TRANSFER_LIMIT_MS = 60_000;

/** Makes so many transfers, one after the other. */
export async function throughBrokenLinks(t: TestContext, transfers: number): Promise<void> {
  const random = new Random(seedOf(t));
  const place = await Place.start(t);
  const outcomes = new Map<string, number>();
  for (let index = 0; index < transfers; index++) {
    // Each has numbers of its own: how many the one before took may depend on time.
    const own = new Random(random.between(0, 0x7fffffff));
    const way = own.pick(WAYS);
    const outcome = `${way.name}: ${await transferOnce(place, way, own)}`;
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  for (const [outcome, count] of outcomes) t.diagnostic(`${outcome}: ${count}`);
}

/** A server, a directory for the client, and bytes to move. */
class Place {
  readonly server: TestServer;
  readonly directory: string;
  /** What is moved are pieces of it. */
  #bytes = noise(1, 2 * MAX_BYTES).bytes(0, 2 * MAX_BYTES);
  /** The listener's, and at the start some of the self-tests. */
  #sockets: number;
  readonly #lost = new Set<string>();

  private constructor(server: TestServer, directory: string) {
    this.server = server;
    this.directory = directory;
    this.#sockets = openSockets();
  }

  static async start(t: TestContext): Promise<Place> {
    const directory = scratchDirectory(t);
    process.env.XDG_STATE_HOME = join(directory, 'state');
    return new Place(await startServer(t, SERVER), directory);
  }

  piece(random: Random, size: number): Buffer {
    if (size > this.#bytes.length) this.#bytes = noise(1, size).bytes(0, size);
    const start = random.between(0, this.#bytes.length - size);
    return this.#bytes.subarray(start, start + size);
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** What uploads that are not finished keep on the server, but for those that may expire there. */
  get parts(): string[] {
    const directory = this.server.at('.sluice-uploads');
    const parts = namesIn(directory).filter((name) => name.endsWith('.part') && !this.#lost.has(name));
    // One that nobody got to know of is empty, and expires.
    return parts.filter(
      (name) => (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0) > 0,
    );
  }

  /** What a failed upload left that nobody goes on with: the client could not tell the server any more. */
  loseUnrecorded(): void {
    if (this.records.length > 0) return;
    const { parts } = this;
    assert.ok(parts.length <= 1, parts.join());
    for (const part of parts) this.#lost.add(part);
  }

  /** What a later upload from a path would go on with. */
  get records(): string[] {
    return namesIn(this.path('state/sluice/uploads'));
  }

  /** All slabs are free, no file is open, no connection is left. */
  async untilIdle(): Promise<void> {
    await this.server.untilIdle();
    const files = () => openFilesBelow(this.directory);
    const sockets = () => openSockets() - this.#sockets;
    const state = () => ({ files: files(), sockets: sockets() });
    await until('nothing is open', () => files().length === 0 && sockets() <= 0, { state });
    this.#sockets = openSockets();
  }
}

function namesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Descriptors of sockets come and go with connections. */
function openSockets(): number {
  return openDescriptors().filter((target) => target.startsWith('socket:')).length;
}

interface Way {
  readonly name: string;
  /** Most bytes go in this direction. */
  readonly direction: 'up' | 'down';
  size(random: Random): number;
  /** Throws what the transfer ends with, or an assertion. */
  run(job: Job): Promise<void>;
  /** After a failure: over a sound link. */
  resume?(job: Job): Promise<void>;
  /** Nothing is there but what should be. */
  check(job: Job, error: TransferError | undefined): void;
}

/** One transfer. */
interface Job {
  place: Place;
  client: SluiceClient;
  content: Buffer;
  random: Random;
}

const smallSize = (random: Random) => random.between(0, random.pick([1000, 300 * KIB, MAX_BYTES]));

const toPath: Way = {
  name: 'download to a path',
  direction: 'down',
  size: smallSize,
  async run({ client, place }) {
    await client.download('file', place.path('copy'));
  },
  async resume(job) {
    await toPath.run(job);
  },
  check({ content, place }, error) {
    if (error === undefined) {
      assertSame(readFileSync(place.path('copy')), content);
      assert.ok(!existsSync(place.path('copy.part')), 'no part is left');
    } else {
      assert.ok(!existsSync(place.path('copy')), 'a file is there only whole');
    }
  },
};

const toStream: Way = {
  name: 'download to a stream',
  direction: 'down',
  size: smallSize,
  async run({ client, content }) {
    let at = 0;
    for await (const piece of client.stream('file')) {
      assertSame(
        Buffer.from(piece.buffer, piece.byteOffset, piece.length),
        content.subarray(at, at + piece.length),
      );
      at += piece.length;
    }
    assert.equal(at, content.length);
  },
  check() {},
};

const fromPath: Way = {
  name: 'upload from a path',
  direction: 'up',
  size: (random) => (random.between(1, SEVERAL_PARTS_IN) === 1 ? SEVERAL_PARTS_BYTES : smallSize(random)),
  async run({ client, place }) {
    await client.upload(place.path('source'), 'uploaded', { connections: 3, overwrite: false });
  },
  async resume(job) {
    await fromPath.run(job);
  },
  check(job, error) {
    checkUploaded(job, error);
    if (error === undefined) assert.deepEqual([job.place.parts, job.place.records], [[], []]);
  },
};

const fromStream: Way = {
  name: 'upload from a stream',
  direction: 'up',
  size: smallSize,
  async run({ client, content, random }) {
    const pieceBytes = random.pick([1000, 50_000, MIB]);
    const pieces = function* () {
      for (let at = 0; at < content.length; at += pieceBytes) yield content.subarray(at, at + pieceBytes);
    };
    // A stream that waits for bytes to be durable is slow to notice that it waits in vain.
    const replayBytes = random.pick([64 * MIB, 64 * MIB, 64 * MIB, 256 * KIB]);
    await client.upload(Readable.from(pieces()), 'uploaded', { replayBytes, overwrite: false });
  },
  check(job, error) {
    checkUploaded(job, error);
    assert.deepEqual(job.place.records, []);
    if (error === undefined) assert.deepEqual(job.place.parts, []);
  },
};

const WAYS = [toPath, toStream, fromPath, fromStream];

/** The answer to the last call may be lost: then the file is there, and the client has an error. */
function checkUploaded({ content, place }: Job, error: TransferError | undefined): void {
  const path = place.server.at('uploaded');
  if (error === undefined || existsSync(path)) assertSame(readFileSync(path), content);
}

/** Says how it ended. */
async function transferOnce(place: Place, way: Way, random: Random): Promise<string> {
  const content = place.piece(random, way.size(random));
  writeFileSync(place.server.at('file'), content);
  writeFileSync(place.path('source'), content);
  const link = await brokenLink(place, way, content.length, random);
  const { port } = link;
  const client = new SluiceClient(link.address, CLIENT);
  const job = { place, client, content, random };
  const healing = setInterval(() => link.go(), random.between(1, MAX_STALL_MS));
  if (random.next() < STALLS_FOR_EVER) clearInterval(healing);
  let error: TransferError | undefined;
  try {
    error = await within(way.name, outcomeOf(way.run(job), LINK_ERRORS), TRANSFER_LIMIT_MS);
    way.check(job, error);
    // The server ends what hangs by itself, while the connection is there still.
    if (random.next() < 0.5) await place.server.untilIdle();
  } finally {
    clearInterval(healing);
    client.close();
    link.close();
  }
  await place.untilIdle();
  if (error !== undefined) {
    place.loseUnrecorded();
    if (way.resume !== undefined) await finishSoundly(job, way, port);
  }
  for (const path of ['file', 'uploaded'].map((name) => place.server.at(name))) rmSync(path, { force: true });
  rmSync(place.path('copy'), { force: true });
  return error === undefined ? 'right' : error.code;
}

/** At the same address: an upload is resumed where it began. */
async function finishSoundly(job: Job, way: Way, port: number): Promise<void> {
  const target = { host: '127.0.0.1', port: job.place.server.port };
  const link = await startLink({ target, listen: { host: '127.0.0.1', port } });
  const client = new SluiceClient(link.address, SOUND);
  const again = { ...job, client };
  try {
    // A small upload leaves no record: nobody knows that a file which is there already is its own.
    const isThere = existsSync(job.place.server.at('uploaded'));
    const expected: ErrorCode[] = isThere ? ['ALREADY_EXISTS'] : [];
    const resumed = outcomeOf((way.resume as Way['run'])(again), expected);
    way.check(again, await within(`${way.name}, again`, resumed, TRANSFER_LIMIT_MS));
  } finally {
    client.close();
    link.close();
  }
  await job.place.untilIdle();
}

/** An error that is expected; any other is thrown. */
async function outcomeOf(
  running: Promise<void>,
  expected: readonly ErrorCode[],
): Promise<TransferError | undefined> {
  try {
    await running;
    return undefined;
  } catch (error) {
    if (error instanceof TransferError && expected.includes(error.code)) return error;
    throw error;
  }
}

async function brokenLink(place: Place, way: Way, size: number, random: Random): Promise<Link> {
  const rate = () => (size > MAX_BYTES ? Infinity : random.pick([Infinity, Infinity, 50 * MIB, 5 * MIB]));
  const link = await startLink({
    target: { host: '127.0.0.1', port: place.server.port },
    delayMs: { up: 3 * random.next(), down: 3 * random.next() },
    rateBytesPerSec: { up: rate(), down: rate() },
  });
  for (let faults = random.between(1, 3); faults > 0; faults--) link.failNext(faultFor(way, size, random));
  return link;
}

/** Anywhere among the bytes of the file, or, the other way, among requests, answers and windows. */
function faultFor(way: Way, size: number, random: Random): DirectedFault {
  const direction = random.pick(['up', 'down'] as const);
  const most = direction === way.direction ? size + KIB : KIB;
  return { kind: random.pick(['cut', 'stall', 'end']), direction, atByte: random.between(0, most) };
}

function assertSame(received: Buffer, content: Buffer): void {
  if (received.equals(content)) return;
  const at = received.findIndex((byte, index) => byte !== content[index]);
  assert.fail(`${received.length} bytes of ${content.length}, wrong from offset ${at} on`);
}
