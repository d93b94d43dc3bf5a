/** Whatever happens to the file of digests, a digest is only told of what it was computed of. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '../../../../src/base/logger.ts';
import type { DigestRecord } from '../../../../src/storage/local/versions/digest-record.ts';
import { KeptDigests } from '../../../../src/storage/local/versions/kept-digests.ts';
import { LineLog } from '../../../support/line-log.ts';
import { scratchDirectory } from '../../../support/scratch.ts';

const NAMES = ['a', 'dir/b c', 'größe "1"\u2028'];

function recordOf(name: string, index = 0): DigestRecord {
  return { name, identity: `${index}`.padStart(32, '0'), sha256: `${index}`.padStart(64, 'a') };
}

async function keptAt(path: string, maxBytes?: number): Promise<KeptDigests> {
  const kept = new KeptDigests(silentLogger, maxBytes);
  await kept.keepAt(async () => path);
  return kept;
}

async function writtenFile(t: TestContext): Promise<string> {
  const path = join(scratchDirectory(t), 'digests');
  const kept = await keptAt(path);
  for (const [index, name] of NAMES.entries()) kept.set(recordOf(name, index), true);
  await kept.stopKeeping();
  return path;
}

/** How many are known; all of them rightly. */
function known(kept: KeptDigests): number {
  let count = 0;
  for (const [index, name] of NAMES.entries()) {
    const { identity, sha256 } = recordOf(name, index);
    const found = kept.get(name, identity);
    if (found === undefined) continue;
    assert.equal(found, sha256);
    count += 1;
  }
  return count;
}

test('a file that is cut anywhere is known up to there, and goes on behind', async (t) => {
  const path = await writtenFile(t);
  const { size } = statSync(path);
  assert.equal(known(await keptAt(path)), NAMES.length);
  for (let at = size - 1; at >= 0; at--) {
    truncateSync(path, at);
    const copy = join(scratchDirectory(t), 'digests');
    writeFileSync(copy, readFileSync(path));
    const kept = await keptAt(copy);
    assert.ok(known(kept) < NAMES.length || at === size - 1);
    kept.set(recordOf('a'), true);
    await kept.stopKeeping();
    assert.ok(known(await keptAt(copy)) >= 1, `cut at ${at}`);
  }
});

test('a damaged byte costs a digest at most, and never makes a wrong one', async (t) => {
  const path = await writtenFile(t);
  const bytes = readFileSync(path);
  for (let at = 0; at < bytes.length; at++) {
    for (const damage of [0x01, 0x20, 0x80]) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] as number) ^ damage;
      writeFileSync(path, damaged);
      assert.ok(known(await keptAt(path)) >= NAMES.length - 2);
    }
  }
});

test('another identity is not the content that the digest is of, and forgets it', async (t) => {
  const kept = await keptAt(await writtenFile(t));
  assert.equal(kept.get('a', recordOf('a', 7).identity), undefined);
  assert.equal(kept.get('a', recordOf('a', 0).identity), undefined);
});

test('memory is bounded; what was used last stays', () => {
  const kept = new KeptDigests(silentLogger, 2000);
  kept.set(recordOf('used', 1), true);
  for (let index = 0; index < 300; index++) {
    kept.set(recordOf(`file-${index}`, index), true);
    assert.ok(kept.get('used', recordOf('used', 1).identity) !== undefined);
  }
  assert.equal(kept.get('file-0', recordOf('', 0).identity), undefined);
  assert.ok(kept.get('file-299', recordOf('', 299).identity) !== undefined);
});

test('the file is bounded, and has what was computed last', async (t) => {
  const path = join(scratchDirectory(t), 'digests');
  for (let index = 0; index < 300; index++) {
    const kept = await keptAt(path, 2000);
    if (index > 0) assert.ok(kept.get(`file-${index - 1}`, recordOf('', index - 1).identity) !== undefined);
    kept.set(recordOf(`file-${index}`, index), true);
    await kept.stopKeeping();
    assert.ok(statSync(path).size < 3 * 2000, `${statSync(path).size} bytes`);
  }
});

test('without a place that can be written, they are in memory, and one line says so', async (t) => {
  const log = new LineLog();
  const kept = new KeptDigests(log);
  const path = join(scratchDirectory(t), 'digests');
  mkdirSync(path);
  await kept.keepAt(async () => path);
  for (const [index, name] of NAMES.entries()) kept.set(recordOf(name, index), true);
  await kept.stopKeeping();
  assert.equal(known(kept), NAMES.length);
  assert.equal(log.lines.filter(({ message }) => message.includes('in memory only')).length, 1);
});
