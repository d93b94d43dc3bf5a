/** Uploads to disks and processes that have reached a limit: the documented status, nothing lost, and on when it is gone. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { ErrorCode } from '../../src/base/errors.ts';
import { assertBytes, noise } from '../support/content.ts';
import { cannotMount, remount, smallRoot } from '../support/kill/mounted.ts';
import { type Answered, RawClient } from '../support/peers/raw-client.ts';
import { scratchRoot } from '../support/scratch.ts';
import { ServerProcess } from '../support/server-process.ts';
import { KIB, MIB, type Settings, startServer, testConfig } from '../support/test-server.ts';
import { UploadJourney } from '../support/upload-journey.ts';

const skip = cannotMount();
const withoutPrlimit =
  spawnSync('prlimit', ['--version']).status === 0 ? false : 'this machine has no prlimit command';
const ROOM = 8 * MIB;
const LARGE = noise(1, 6 * MIB + 77);

function journeyOf(content = LARGE, name = 'directory/file'): UploadJourney {
  return new UploadJourney({ name, content, pieceBytes: 512 * KIB });
}

function assertEnd(end: Answered, code: ErrorCode, status: string): void {
  assert.deepEqual({ code: end.code, status: end.status }, { code, status }, end.details);
}

/** The rest of the upload is possible now, and makes the right file. */
async function assertGoesOn(client: RawClient, journey: UploadJourney, root: string): Promise<void> {
  const committed = journey.committed;
  await journey.look(client);
  assert.equal(journey.committed >= committed, true);
  const end = await journey.run(client);
  assert.equal(end.status, 'OK', end.details);
  assertFile(root, journey);
}

/** As a limit it keeps what is open, and leaves nothing more. */
function lowestFreeDescriptor(pid: number): number {
  const open = new Set(readdirSync(`/proc/${pid}/fd`));
  let fd = 0;
  while (open.has(String(fd))) fd++;
  return fd;
}

function assertFile(root: string, { name, content }: UploadJourney): void {
  const found = readFileSync(join(root, name));
  assert.equal(found.length, content.size);
  assertBytes(found, content, 0);
}

describe('an upload to a small disk', { skip }, () => {
  async function scene(t: TestContext, uploads: Settings['uploads'] = { minFree: 0 }) {
    const root = smallRoot(t, ROOM);
    const server = await startServer(t, { writable: true, uploads }, { root });
    return { root, client: server.client(), server };
  }

  it('says that it is full, and goes on when there is room', async (t) => {
    const { root, client, server } = await scene(t);
    const ballast = join(root, 'ballast');
    writeFileSync(ballast, Buffer.alloc(4 * MIB, 1));
    const journey = journeyOf();
    for (let round = 0; round < 3; round++) {
      assertEnd(await journey.run(client), 'DISK_FULL', 'RESOURCE_EXHAUSTED');
      assert(!existsSync(join(root, journey.name)));
    }
    assert(journey.committed >= 2 * MIB, `only ${journey.committed} bytes found room`);
    await server.untilIdle();
    rmSync(ballast);
    await assertGoesOn(client, journey, root);
  });

  it('can be aborted while it is full, which makes room', async (t) => {
    const { root, client } = await scene(t);
    const ballast = join(root, 'ballast');
    writeFileSync(ballast, Buffer.alloc(4 * MIB, 1));
    const journey = journeyOf();
    assertEnd(await journey.run(client), 'DISK_FULL', 'RESOURCE_EXHAUSTED');
    assert.equal((await client.unary('AbortUpload', { uploadId: journey.uploadId })).status, 'OK');
    await assertGoesOn(client, journeyOf(noise(2, 3 * MIB), 'another'), root);
  });

  it('leaves the floor of free space free', async (t) => {
    const minFree = 4 * MIB;
    const { root, client } = await scene(t, { minFree });
    const journey = journeyOf(noise(1, 3 * MIB));
    await assertGoesOn(client, journey, root);
    const late = journeyOf(noise(2, 2 * MIB), 'late');
    assertEnd(await late.run(client), 'DISK_FULL', 'RESOURCE_EXHAUSTED');
    const { bavail, bsize } = statfsSync(root);
    assert(bavail * bsize >= minFree, `${bavail * bsize} bytes are free`);
    remount(root, `size=${2 * ROOM}`);
    await assertGoesOn(client, late, root);
  });

  it('says that it is read-only, and goes on when it is not', async (t) => {
    const { root, client, server } = await scene(t);
    const journey = journeyOf(noise(1, MIB));
    assert.equal((await journey.begin(client)).status, 'OK');
    const whole = journeyOf(noise(2, MIB), 'whole');
    assert.equal((await whole.sendAll(client)).status, 'OK');
    await server.untilIdle();
    remount(root, 'ro');
    assertEnd(await journeyOf(noise(3, 1), 'new').begin(client), 'READ_ONLY', 'PERMISSION_DENIED');
    assertEnd(await journey.run(client), 'READ_ONLY', 'PERMISSION_DENIED');
    assertEnd(await whole.finish(client), 'READ_ONLY', 'PERMISSION_DENIED');
    const aborted = await client.unary('AbortUpload', { uploadId: journey.uploadId });
    assertEnd(aborted, 'READ_ONLY', 'PERMISSION_DENIED');
    remount(root, 'rw');
    await assertGoesOn(client, journey, root);
    await assertGoesOn(client, whole, root);
  });
});

describe('an upload to a server process with limits', { skip: withoutPrlimit }, () => {
  async function scene(t: TestContext) {
    const root = scratchRoot(t);
    const config = testConfig(root, { writable: true, uploads: { minFree: 0 } });
    const server = await ServerProcess.start(t, config);
    const client = new RawClient(server.address);
    t.after(() => client.close());
    const limit = (what: string) => {
      assert.equal(spawnSync('prlimit', ['--pid', String(server.pid), what]).status, 0, what);
    };
    return { root, server, client, limit };
  }

  it('is too large for a limit of file sizes, whose edge makes writes short', async (t) => {
    const { root, server, client, limit } = await scene(t);
    limit(`--fsize=${3 * MIB + 1234}:unlimited`);
    const journey = journeyOf();
    assertEnd(await journey.run(client), 'TOO_LARGE', 'RESOURCE_EXHAUSTED');
    assert(journey.committed >= 3 * MIB - 512 * KIB, `only ${journey.committed} bytes were taken`);
    assert(!server.hasExited, 'the server is gone');
    await assertGoesOn(client, journeyOf(noise(2, 2 * MIB), 'small'), root);
    limit('--fsize=unlimited');
    await assertGoesOn(client, journey, root);
  });

  it('waits for descriptors when there are none', async (t) => {
    const { root, server, client, limit } = await scene(t);
    const journey = journeyOf(noise(1, MIB));
    assert.equal((await journey.begin(client)).status, 'OK');
    limit(`--nofile=${lowestFreeDescriptor(server.pid)}:4096`);
    assertEnd(await journey.run(client), 'RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED');
    assertEnd(await journeyOf(noise(2, 1), 'new').begin(client), 'RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED');
    assert(!server.hasExited, 'the server is gone');
    limit('--nofile=4096:4096');
    await assertGoesOn(client, journey, root);
  });
});

describe('an upload whose place is taken', () => {
  async function scene(t: TestContext) {
    const server = await startServer(t, { writable: true, uploads: { minFree: 0 } });
    return { root: server.root, client: server.client(), server };
  }

  for (const overwrite of ['OVERWRITE_NEVER', 'OVERWRITE_ALWAYS'] as const) {
    it(`by a directory of its name waits until that is gone (${overwrite})`, async (t) => {
      const { root, client } = await scene(t);
      const journey = new UploadJourney({ name: 'directory/file', overwrite });
      assert.equal((await journey.sendAll(client)).status, 'OK');
      mkdirSync(join(root, 'directory/file'), { recursive: true });
      assertEnd(await journey.finish(client), 'NOT_A_FILE', 'FAILED_PRECONDITION');
      rmdirSync(join(root, 'directory/file'));
      await assertGoesOn(client, journey, root);
    });
  }

  it('by a file in the place of its directory waits until that is gone', async (t) => {
    const { root, client } = await scene(t);
    const journey = new UploadJourney({ name: 'directory/file' });
    assert.equal((await journey.sendAll(client)).status, 'OK');
    writeFileSync(join(root, 'directory'), 'in the way');
    assertEnd(await journey.finish(client), 'NOT_A_FILE', 'FAILED_PRECONDITION');
    rmSync(join(root, 'directory'));
    await assertGoesOn(client, journey, root);
  });

  it('by nobody, as the directory of uploads is gone, is lost; new ones are taken', async (t) => {
    const { root, client, server } = await scene(t);
    const lost = journeyOf(noise(1, MIB));
    assert.equal((await lost.sendAll(client)).status, 'OK');
    const unsent = journeyOf(noise(2, MIB), 'unsent');
    assert.equal((await unsent.begin(client)).status, 'OK');
    await server.untilIdle();
    rmSync(join(root, '.sluice-uploads'), { recursive: true });
    assertEnd(await lost.finish(client), 'UPLOAD_NOT_FOUND', 'NOT_FOUND');
    assertEnd(await unsent.run(client), 'UPLOAD_NOT_FOUND', 'NOT_FOUND');
    await assertGoesOn(client, journeyOf(noise(3, MIB), 'new'), root);
  });
});
