/**
 * A client killed at any moment leaves nothing, something that resumes, or the
 * finished file. SLUICE_TEST_KILLS sets how many kills are tried.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ByteRange, missingRanges } from '../../../src/base/ranges.ts';
import { MIB } from '../../../src/base/units.ts';
import { RESUME_POINT_BYTES } from '../../../src/client/limits.ts';
import type { StreamFileRequest } from '../../../src/wire/messages.ts';
import { blockFor } from '../../support/block.ts';
import { scratchDirectory, someFile, startServer } from '../fixtures.ts';

const KILLS = Number(process.env.SLUICE_TEST_KILLS ?? 2);
const SIZE_BYTES = 1.5 * RESUME_POINT_BYTES;
const PROGRAM = fileURLToPath(new URL('./killed-download.js', import.meta.url));
const REMAINS = ['a', 'a.part', 'a.part.json', 'a.part.json.tmp', 'a.part.lock', 'a.part.lock.guard'];

function startDownload(address: string, target: string, connections: number): ChildProcess {
  const args = [PROGRAM, address, target, String(connections)];
  return spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
}

for (const connections of [1, 3]) {
  const title = `leaves nothing wrong behind when it is killed at any moment, with ${connections} at work`;
  test(title, { timeout: 600_000 }, (t) => killAgainAndAgain(t, connections));
}

/** What the record beside the part names; none without one. */
async function durableRanges(target: string): Promise<ByteRange[]> {
  try {
    const text = await readFile(`${target}.part.json`, 'utf8');
    return (JSON.parse(text) as { ranges: ByteRange[] }).ranges;
  } catch {
    return [];
  }
}

/** Lets no byte more go out until the client, which is another process, has written a record, or seems to write none. */
function blockUntilRecorded(target: string): void {
  for (let looks = 0; looks < 100 && !existsSync(`${target}.part.json`); looks++) blockFor(10);
}

function assertNotAskedFor(durable: readonly ByteRange[], requests: readonly StreamFileRequest[]): void {
  for (const { limit, start } of requests) {
    const end = limit === undefined ? SIZE_BYTES : start + limit;
    const missing = end > start ? [{ start, end }] : [];
    assert.deepEqual(missingRanges(durable, start, end), missing, 'a durable range is asked for');
  }
}

async function killAgainAndAgain(t: TestContext, connections: number): Promise<void> {
  const file = someFile('v1', SIZE_BYTES);
  const directory = await scratchDirectory(t);
  const target = join(directory, 'a');
  const server = await startServer(t, { a: file });
  let resumed = 0;
  let finished = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    // Every second time, so late that the client may have written a record.
    const isLate = kill % 2 === 0;
    const killAtBytes = isLate ? RESUME_POINT_BYTES + 16 * MIB : Math.random() * SIZE_BYTES * 1.1;
    let child: ChildProcess | undefined;
    let sentBytes = 0;
    server.defaultScript = {
      messages: function* (honest) {
        for (const message of honest) {
          sentBytes += message.chunk?.byteLength ?? 0;
          if (sentBytes > killAtBytes) {
            if (isLate) blockUntilRecorded(target);
            child?.kill('SIGKILL');
          }
          yield message;
        }
      },
    };
    const durable = await durableRanges(target);
    const before = server.requests.length;
    child = startDownload(server.address, target, connections);
    const [code] = (await once(child, 'exit')) as [number | null];
    const names = await readdir(directory);
    assert.deepEqual(
      names.filter((name) => !REMAINS.includes(name)),
      [],
    );
    if (names.includes('a')) {
      assert.ok(file.content.equals(await readFile(target)), 'wrong bytes under the final name');
      await rm(target);
      finished += 1;
    } else assert.equal(code, null, 'the client ended by itself, without a file');
    assertNotAskedFor(durable, server.requests.slice(before));
    if (durable.length > 0) resumed += 1;
  }
  t.diagnostic(`${KILLS} kills: ${resumed} downloads resumed a part, ${finished} were finished`);
  server.defaultScript = {};
  const [code] = (await once(startDownload(server.address, target, connections), 'exit')) as [number | null];
  assert.equal(code, 0);
  assert.ok(file.content.equals(await readFile(target)));
  assert.deepEqual(await readdir(directory), ['a']);
}
