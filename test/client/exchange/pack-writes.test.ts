/** When and how the packs that a stream writes are coded, on links of a simulated time. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { KIB, MIB } from '../../../src/base/units.ts';
import { PackWrites } from '../../../src/client/exchange/pack-writes.ts';
import type { SessionRequest } from '../../../src/client/exchange/request.ts';
import type { CompressionMode } from '../../../src/client/options.ts';
import type { CallLink } from '../../../src/flow/connections/call-link.ts';
import type { ExchangeLimits, WritePackRequest } from '../../../src/wire/messages.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { noiseBytes } from '../../support/test-engine.ts';

const LIMITS: ExchangeLimits = {
  maxRequests: 100,
  maxCredit: 4 * MIB,
  maxPackFiles: 256,
  maxPackSize: 512 * KIB,
  acceptedCodecs: ['CODEC_GZIP'],
  takesPings: true,
};

/** Digits: gzip makes half of them. */
const CONTENT = Buffer.from(noiseBytes(256 * KIB).toString('hex'));

/** What the transport and the link hold of what was sent. */
const BUFFER_BYTES = 256 * KIB;

/** Of the client, for each pack: reading its files, compressing it. */
const WORK_MS = 3;

interface Sent {
  readonly request: SessionRequest;
  readonly write: WritePackRequest;
  readonly taken: () => void;
}

/** Packs over a link of this rate, and a peer that takes everything at once. */
class Scene {
  readonly sent: Sent[] = [];
  readonly failures: unknown[] = [];
  readonly packs: PackWrites;
  readonly #clock = new FakeClock();
  readonly #bytesPerMs: number;
  /** When all that was sent has arrived. */
  #arrivedAtMs = 0;
  #lastId = 0;
  readonly #echoes: { readonly atMs: number; readonly echoed: () => void }[] = [];

  constructor(t: TestContext, bytesPerMs: number, mode: CompressionMode = 'auto') {
    t.mock.method(performance, 'now', this.#clock.nowMs);
    this.#bytesPerMs = bytesPerMs;
    const link: Pick<CallLink, 'pingBarrier'> = {
      pingBarrier: (echoed) => {
        this.#echoes.push({ atMs: Math.max(this.#clock.nowMs(), this.#arrivedAtMs) + 1, echoed });
        return true;
      },
    };
    this.packs = new PackWrites(LIMITS, mode, link as CallLink, {
      send: (request, { write }, taken) => {
        this.#lastId += 1;
        request.id = this.#lastId;
        this.sent.push({ request, write: write as WritePackRequest, taken });
      },
      failed: (_request, error) => this.failures.push(error),
      onRoom: () => {},
    });
    t.after(() => this.packs.close());
  }

  open(name: string, content: Uint8Array = CONTENT): SessionRequest {
    const request = { id: 0, sentAs: () => {} } as unknown as SessionRequest;
    const file = { fileName: name, size: content.byteLength } as WritePackRequest['files'][number];
    this.packs.open(request, { files: [file], content, compressed: false, rawSize: 0, codec: 0 });
    return request;
  }

  /** Sends so many packs, one after the other; tells which were compressed. */
  async send(count: number, name = 'a.txt', content?: Uint8Array): Promise<boolean[]> {
    const from = this.sent.length;
    for (let index = from; index < from + count; index++) {
      this.open(name, content);
      while (this.sent.length === index) await turn();
      this.#passTime(this.#clock.nowMs() + WORK_MS);
      const { taken, write } = this.sent[index] as Sent;
      this.#arrivedAtMs =
        Math.max(this.#clock.nowMs(), this.#arrivedAtMs) + write.content.byteLength / this.#bytesPerMs;
      this.#passTime(this.#arrivedAtMs - BUFFER_BYTES / this.#bytesPerMs);
      taken();
    }
    return this.sent.slice(from).map(({ write }) => write.compressed);
  }

  #passTime(toMs: number): void {
    for (let next = this.#echoes[0]; next !== undefined && next.atMs <= toMs; next = this.#echoes[0]) {
      this.#echoes.shift();
      this.#clock.passTo(Math.max(next.atMs, this.#clock.nowMs()));
      next.echoed();
    }
    this.#clock.passTo(Math.max(toMs, this.#clock.nowMs()));
  }
}

const perMs = (mibPerSec: number) => (mibPerSec * MIB) / 1000;

test('on a fast link packs of text go uncompressed, but for the first', async (t) => {
  const compressed = await new Scene(t, perMs(2000)).send(60);
  assert.equal(compressed[0], true);
  assert.ok(compressed.filter(Boolean).length <= 10, String(compressed));
  assert.equal(compressed.slice(20).some(Boolean), false, String(compressed));
});

test('on a slow link packs of text go compressed, but for short looks', async (t) => {
  const compressed = await new Scene(t, perMs(1)).send(60);
  assert.ok(compressed.filter(Boolean).length >= 55, String(compressed));
});

test('packs of a compressed type are not even tried, except always', async (t) => {
  const scene = new Scene(t, perMs(1));
  assert.deepEqual(await scene.send(5, 'a.jpg'), [false, false, false, false, false]);
  assert.deepEqual(await new Scene(t, perMs(1), 'always').send(2, 'a.jpg'), [true, true]);
});

test('two packs at most are coded or wait for the transport', async (t) => {
  const scene = new Scene(t, perMs(1), 'always');
  scene.open('a');
  assert.equal(scene.packs.hasRoom, true);
  scene.open('b');
  assert.equal(scene.packs.hasRoom, false);
  while (scene.sent.length < 2) await turn();
  assert.deepEqual([scene.packs.hasRoom, scene.packs.codingCount], [false, 0]);
  scene.sent[0]?.taken();
  assert.equal(scene.packs.hasRoom, true);
});

test('a pack that is cancelled while it is coded is not sent, and neither are those of a stream that is over', async (t) => {
  const scene = new Scene(t, perMs(1), 'always');
  scene.packs.cancel(scene.open('a'));
  const second = scene.open('b');
  assert.deepEqual(scene.packs.close(), [second]);
  const other = new Scene(t, perMs(1), 'always');
  // By the time that this one is coded, those are.
  await other.send(3);
  assert.deepEqual([scene.sent, scene.failures, other.failures], [[], [], []]);
});
