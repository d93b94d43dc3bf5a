/** A third of the store dies in the middle of transfers. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SluiceClient } from '../../src/client/client.ts';
import type { UploadResult } from '../../src/client/upload/options.ts';
import { ATTEMPT_TIMEOUT_MS } from '../../src/storage/s3/attempts.ts';
import { BucketScene } from '../support/ceph/bucket-scene.ts';
import { assertBytes, type Content, noise } from '../support/content.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { SluiceProcess } from '../support/sluice-process.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;
/** The process of one, which can be killed once; nothing where the store is not Ceph. */
const OSD = process.env.SLUICE_TEST_CEPH_OSD;

const FILES = 4;
const SIZE = 64 * MIB;

/** Eight parts of an upload before the kill; eight, and a short one, behind it. */
const HALF = 64 * MIB;
const UPLOAD_SIZE = 2 * HALF + 12_345;

/** Small objects that are written past the server at the same time: all parts of the store have some. */
const PROBES = 16;

test('downloads and uploads complete when one of three OSDs is killed', {
  skip: OSD === undefined,
}, async (t) => {
  const scene = await BucketScene.make(t);
  const contents = Array.from({ length: FILES }, (_, index) => noise(index, SIZE));
  for (const [index, content] of contents.entries()) await scene.put(`file-${index}`, content.bytes(0, SIZE));
  const servers = await Promise.all([0, 1].map(() => scene.served({}, ['--writable'])));
  const [staying, dying] = servers as [(typeof servers)[number], (typeof servers)[number]];
  const kept = new HalfUpload(t, staying.address, 'kept', noise(FILES, UPLOAD_SIZE));
  const moved = new HalfUpload(t, dying.address, 'moved', noise(FILES + 1, UPLOAD_SIZE));
  await until('half of each upload is sent', () => kept.isHalf && moved.isHalf);
  const cwd = scratchDirectory(t);
  const gets = contents.map(
    (_, index) => new SluiceProcess(t, ['get', `${staying.address}/file-${index}`, '--json'], { cwd }),
  );
  await until('all have begun', () =>
    contents.every((_, index) => existsSync(join(cwd, `file-${index}.part`))),
  );
  assert.ok(gets.some(({ hasEnded }) => !hasEnded));

  process.kill(Number(OSD), 'SIGKILL');
  const killedAtMs = performance.now();
  for (const upload of [kept, moved]) upload.goOn();
  const recovery = longestWriteMs(scene);
  await dying.server.end('SIGKILL');
  await scene.served({}, ['--writable', '--listen', dying.address]);

  for (const [index, get] of gets.entries()) {
    const { code, stderr } = await get.outcome();
    assert.equal(code, 0, stderr);
    assertBytes(readFileSync(join(cwd, `file-${index}`)), contents[index] as Content, 0);
  }
  t.diagnostic(
    `${Math.round(performance.now() - killedAtMs)} ms from the kill to the last byte of a download`,
  );
  for (const upload of [kept, moved]) {
    const { attempts, restarts } = await upload.result;
    assertBytes((await scene.get(upload.name)) as Buffer, upload.content, 0);
    assert.equal(restarts, 0);
    t.diagnostic(`${upload.name}: ${upload.longestStillMs} ms without a byte, ${attempts} attempts`);
  }
  const takenOver = (await scene.keys()).filter((key) => /^\.sluice-uploads\/.*\.e000001$/.test(key));
  assert.ok(takenOver.length > 0, 'another server has taken an upload over');
  assert.equal(await scene.openMultiparts(), 0);
  const recoveryMs = await recovery;
  t.diagnostic(`the store itself: ${recoveryMs} ms for one write`);
  // A request that was lost with the OSD is made again when its time is over.
  assert.ok(kept.longestStillMs <= recoveryMs + ATTEMPT_TIMEOUT_MS);
});

/** An upload that waits when half of it is sent, and counts the time in which nothing moves from then on. */
class HalfUpload {
  isHalf = false;
  goOn!: () => void;
  longestStillMs = 0;
  readonly name: string;
  readonly content: Content;
  readonly result: Promise<UploadResult>;
  readonly #mayGoOn = new Promise<void>((resolve) => {
    this.goOn = () => {
      this.#movedAtMs = performance.now();
      resolve();
    };
  });
  #movedAtMs: number | undefined;
  #sentBytes = 0;

  constructor(t: TestContext, address: string, name: string, content: Content) {
    this.name = name;
    this.content = content;
    const client = new SluiceClient(address, { ownConnection: true });
    t.after(() => client.close());
    const onProgress = ({ sentBytes }: { sentBytes: number }) => {
      if (sentBytes > this.#sentBytes) this.#moved();
      this.#sentBytes = Math.max(this.#sentBytes, sentBytes);
    };
    this.result = client.upload(this.#pieces(), name, { size: content.size, onProgress }).then((result) => {
      this.#moved();
      return result;
    });
    this.result.catch(() => {});
  }

  async *#pieces(): AsyncGenerator<Buffer, void, undefined> {
    const { size } = this.content;
    for (let at = 0; at < size; at += MIB) {
      if (at === HALF) {
        this.isHalf = true;
        await this.#mayGoOn;
      }
      yield this.content.bytes(at, Math.min(size, at + MIB));
    }
  }

  #moved(): void {
    if (this.#movedAtMs === undefined) return;
    const nowMs = performance.now();
    this.longestStillMs = Math.max(this.longestStillMs, Math.round(nowMs - this.#movedAtMs));
    this.#movedAtMs = nowMs;
  }
}

/** How long the store itself needs at the most, when several objects are written at once. */
async function longestWriteMs(scene: BucketScene): Promise<number> {
  const writes = Array.from({ length: PROBES }, async (_, index) => {
    const beganMs = performance.now();
    await scene.put(`probe-${index}`, 'x');
    return performance.now() - beganMs;
  });
  return Math.round(Math.max(...(await Promise.all(writes))));
}
