/** Uploads to a server that is killed at random moments, for as many kills as asked for. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { missingRanges } from '../../../src/base/ranges.ts';
import { assertBytes, type Content, joined, lines, noise } from '../content.ts';
import { RawClient } from '../peers/raw-client.ts';
import { chunkMessages, expectedOf, sendMessages, uploadStatus } from '../peers/raw-upload.ts';
import { scratchRoot } from '../scratch.ts';
import { Random, seedOf } from '../seed.ts';
import { ServerProcess } from '../server-process.ts';
import { KIB, MIB, type Settings, testConfig } from '../test-server.ts';
import { within } from '../until.ts';

const MAX_CHUNK_BYTES = 128 * KIB;
const CALL_LIMIT_MS = 60_000;

/** Commits often, so that a kill meets every step of it. */
const SETTINGS: Settings = {
  writable: true,
  uploads: { sync: 'batched', syncBytes: MIB, syncInterval: 10, minFree: 0 },
};

/** Uploads file after file until the server was killed `kills` times; nothing acknowledged may be lost. */
export async function uploadsWhileKilled(t: TestContext, kills: number): Promise<void> {
  const random = new Random(seedOf(t));
  const root = scratchRoot(t);
  const victim = new Victim(t, root, random, kills);
  await victim.start();
  for (let file = 0; victim.killed < kills; file++) {
    const content = joined(noise(file, random.between(1, 6 * MIB)), lines(random.between(1, 2 * MIB)));
    await uploadOne(victim, `dir-${file % 3}/file-${file}`, content, random);
    const path = join(root, `dir-${file % 3}/file-${file}`);
    assertBytes(readFileSync(path), content, 0, `file-${file}`);
  }
  victim.stop();
  const directory = join(root, '.sluice-uploads');
  const left = readdirSync(directory).filter((name) => name.endsWith('.part'));
  // A kill between a start and its answer leaves an empty upload, which expires.
  const filled = left.filter((name) => statSync(join(directory, name)).size > 0);
  assert.deepEqual(filled, [], 'finished uploads leave no part behind');
  t.diagnostic(`the server was killed ${victim.killed} times`);
}

/** The server, killed again and again until it was often enough. */
class Victim {
  killed = 0;
  readonly root: string;
  readonly #t: TestContext;
  readonly #random: Random;
  readonly #kills: number;
  #server: ServerProcess | undefined;
  #client: RawClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #replaced: Promise<void> = Promise.resolve();

  constructor(t: TestContext, root: string, random: Random, kills: number) {
    this.#t = t;
    this.root = root;
    this.#random = random;
    this.#kills = kills;
  }

  async start(): Promise<void> {
    const listen = this.#server?.address ?? '127.0.0.1:0';
    this.#server = await ServerProcess.start(this.#t, testConfig(this.root, { ...SETTINGS, listen }));
    this.#client?.close();
    this.#client = new RawClient(this.#server.address);
    if (this.killed >= this.#kills) return;
    this.#timer = setTimeout(
      () => {
        this.#replaced = this.#replace();
      },
      this.#random.between(1, 120),
    );
  }

  /** A client of the server that lives now. */
  async client(): Promise<RawClient> {
    await this.#replaced;
    return this.#client as RawClient;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#client?.close();
  }

  async #replace(): Promise<void> {
    await this.#server?.end('SIGKILL');
    this.killed += 1;
    await this.start();
  }
}

/** Starts, sends, asks and finishes until the file is there. Checks after each step what was promised before. */
async function uploadOne(victim: Victim, name: string, content: Content, random: Random): Promise<void> {
  const expected = expectedOf(content);
  let uploadId = '';
  let acknowledged = 0;
  let isFinished = false;
  while (!isFinished) {
    const client = await victim.client();
    if (uploadId === '') {
      const { answer } = await client.unary('StartUpload', { fileName: name, expected });
      uploadId = (answer?.uploadId as string | undefined) ?? '';
      continue;
    }
    const status = await uploadStatus(client, uploadId);
    if (status === undefined) continue;
    assert(
      status.committedSize >= acknowledged,
      `${acknowledged} bytes were acknowledged, ${status.committedSize} are left`,
    );
    acknowledged = status.committedSize;
    assert.equal(
      existsSync(join(victim.root, name)),
      status.complete,
      'the file is there when it is complete',
    );
    const ends = await within(
      'the calls end',
      sendMissing(client, uploadId, content, status, random),
      CALL_LIMIT_MS,
    );
    for (const end of ends) acknowledged = Math.max(acknowledged, Number(end.answer?.committedSize ?? 0));
    const last = await uploadStatus(client, uploadId);
    if (last === undefined || missingRanges(last.parts, 0, content.size).length > 0) continue;
    const finish = await client.unary('FinishUpload', { uploadId, fileName: name });
    isFinished = finish.status === 'OK';
    if (!isFinished) assert.equal(finish.status, 'UNAVAILABLE', finish.details);
  }
  const again = await (await victim.client()).unary('FinishUpload', { uploadId, fileName: name });
  assert(again.status === 'OK' || again.status === 'UNAVAILABLE', again.details);
}

/** Sends what is missing in up to three calls at once, with parts that overlap now and then. */
async function sendMissing(
  client: RawClient,
  uploadId: string,
  content: Content,
  status: { parts: { start: number; end: number }[]; committedSize: number; complete: boolean },
  random: Random,
) {
  const missing = missingRanges(status.parts, 0, content.size);
  const parts = missing.flatMap(({ start, end }) => {
    if (random.next() < 0.5) return [{ start, end }];
    const middle = random.between(start, end);
    return [
      { start, end: middle },
      { start: middle, end },
    ];
  });
  return await Promise.all(
    parts
      .filter(({ start, end }) => start < end)
      .slice(0, 3)
      .map(({ start, end }) =>
        sendMessages(client, uploadId, chunkMessages(content, start, end, random, MAX_CHUNK_BYTES)),
      ),
  );
}
