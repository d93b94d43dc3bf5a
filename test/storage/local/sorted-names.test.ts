import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { Directory } from '../../../src/storage/local/directory.ts';
import { ListingShare } from '../../../src/storage/local/listing/listing-share.ts';
import { NameWindow } from '../../../src/storage/local/listing/name-window.ts';
import { sortedNames } from '../../../src/storage/local/listing/sorted-names.ts';
import { openPathDirectory } from '../../../src/storage/local/path-directory.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { openDescriptorCount } from '../../support/stores/scratch-store.ts';
import { until } from '../../support/until.ts';

describe('a window of names', () => {
  it('has the first names in the order, in its limit, and says behind which it was cut', async () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }).map(bytesOf), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(names, { maxLength: 6 }),
        fc.integer({ min: 1, max: 400 }),
        async (batches, limit) => {
          const all = new Set<string>();
          const window = new NameWindow(limit);
          for (const batch of batches) {
            const fresh = batch.filter((name) => !all.has(name));
            for (const name of fresh) all.add(name);
            await window.add(fresh);
            assert.ok(window.bytes <= Math.max(limit, 2 + 48));
          }
          const sorted = [...all].sort();
          const { cutAfter } = window;
          const expected = cutAfter === undefined ? sorted : sorted.filter((name) => name <= cutAfter);
          assert.deepEqual([...window.drain()], expected);
          assert.ok(expected.length > 0 || sorted.length === 0);
        },
      ),
    );
  });
});

describe('the names of a directory', () => {
  const names = Array.from({ length: 1500 }, (_, index) => `${(index * 7919) % 1500}-é`);
  const sorted = names.map(bytesOf).sort();

  async function filled(t: TestContext): Promise<Directory> {
    const path = scratchDirectory(t);
    for (const name of names) writeFileSync(join(path, name), '');
    return await openPathDirectory(path);
  }

  it('are all listed in order, however little memory there is', async (t) => {
    const directory = await filled(t);
    for (const bytes of [8_000, 15_000, 1_000_000]) {
      const share = new ListingShare(bytes);
      const listed = [];
      for await (const batch of sortedNames(directory, undefined, share, 16)) listed.push(...batch);
      assert.deepEqual(listed, sorted, `${bytes} bytes`);
      const behind = [];
      for await (const batch of sortedNames(directory, sorted[800], share, 16)) behind.push(...batch);
      assert.deepEqual(behind, sorted.slice(801));
      assert.equal(share.freeBytes, bytes);
    }
  });

  it('are read of a few directories at the same time, however many are listed', async (t) => {
    const directory = await filled(t);
    const share = new ListingShare();
    let goOn!: () => void;
    const paused = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    // Whoever has opened a directory waits for these.
    const holders = [share.batches.run(() => paused), share.batches.run(() => paused)];
    const before = openDescriptorCount();
    const listings = Array.from({ length: 200 }, () => sortedNames(directory, undefined, share, 16));
    const first = Promise.all(listings.map((listing) => listing.next()));
    await until('some are open', () => openDescriptorCount() >= before + 64);
    // In the threads of libuv behind whatever was to be opened.
    for (let i = 0; i < 200; i++) await lstat(directory.pathOf('.'));
    assert(openDescriptorCount() <= before + 64, `${openDescriptorCount() - before} are open`);
    goOn();
    await Promise.all(holders);
    for (const { value } of await first) assert.deepEqual(value, sorted.slice(0, 16));
    await Promise.all(listings.map((listing) => listing.return()));
  });

  it('are not read on when their listing is cancelled', async (t) => {
    const share = new ListingShare();
    const names = sortedNames(await filled(t), undefined, share, 16, AbortSignal.abort());
    await assert.rejects(names.next(), { code: 'CANCELLED' });
    assert.equal(share.freeBytes, new ListingShare().freeBytes);
  });

  it('hold little while they are not read on, and nothing when their reader leaves', async (t) => {
    const directory = await filled(t);
    const share = new ListingShare(40_000);
    const listings = Array.from({ length: 50 }, () => sortedNames(directory, undefined, share, 16));
    for (const listing of listings) assert.equal((await listing.next()).value?.[0], sorted[0]);
    assert.ok(share.freeBytes > -50 * 1024, `${share.freeBytes}`);
    for (const listing of listings) await listing.return();
    assert.equal(share.freeBytes, 40_000);
  });
});

/** As a directory is read: one character for each byte. */
function bytesOf(name: string): string {
  return Buffer.from(name).toString('latin1');
}
