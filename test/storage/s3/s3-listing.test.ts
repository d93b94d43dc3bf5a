import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePosition } from '../../../src/storage/listing-position.ts';
import { PageShare } from '../../../src/storage/s3/listing/page-share.ts';
import { S3Listing } from '../../../src/storage/s3/listing/s3-listing.ts';
import type { Listed, StoreListOptions } from '../../../src/storage/store.ts';
import { Random, seedOf } from '../../support/seed.ts';
import { ModelBucket } from '../../support/stores/model-bucket.ts';
import { all, checkListings, randomNames } from './listing-suite.ts';

/** A store that lists `bucket`, of which it serves all. */
function listing(bucket: ModelBucket, share = new PageShare()) {
  return {
    list(prefix: string, options: StoreListOptions): AsyncIterable<Listed> {
      const keyPrefix = prefix === '' ? '' : `${prefix}/`;
      const after = options.after === undefined ? [] : parsePosition(options.after);
      return new S3Listing(bucket, share, options).below(prefix, keyPrefix, after);
    },
  };
}

function told({ entry, omitted }: Listed): string {
  if (omitted !== undefined) return `${omitted.reason} ${omitted.shownName}`;
  return entry?.isDirectory === true ? `${entry.name}/` : (entry?.name ?? '');
}

describe('a listing of a bucket', () => {
  it('has the order of the seam, and resumes behind each entry, whatever the size of a page', async (t) => {
    const random = new Random(seedOf(t));
    for (let round = 0; round < 60; round++) {
      const names = randomNames(random, random.between(1, 25));
      const bucket = new ModelBucket(names, random.between(1, 6));
      await checkListings(listing(bucket), names);
    }
  });

  it('is the same where pages are dropped to make room', async (t) => {
    const random = new Random(seedOf(t));
    for (let round = 0; round < 30; round++) {
      const names = randomNames(random, 20);
      await checkListings(listing(new ModelBucket(names, 3), new PageShare(0)), names);
    }
  });

  it('asks for a directory once that begins the names of many files', async () => {
    const names = Array.from({ length: 1000 }, (_, index) => `img-${String(index).padStart(4, '0')}.png`);
    const bucket = new ModelBucket([...names, 'img/x'], 100);
    const entries = await all(listing(bucket).list('', { recursive: true }));
    assert.deepEqual(entries.map(told), ['img/', 'img/x', ...names]);
    assert.equal(bucket.pages, 11 + 1, 'pages of the root, and one of the directory');
  });

  it('says what it leaves out, and shows markers as directories', async () => {
    const keys = ['a', 'a/b', 'c//d', 'c/e', 'dir/', '.sluice-probe/x', 'back\\slash', 'new\nline', '../up'];
    const entries = await all(listing(new ModelBucket(keys, 2)).list('', { recursive: true }));
    assert.deepEqual(entries.map(told), [
      'BAD_NAME ..',
      'a/',
      'BAD_NAME a',
      'a/b',
      'BAD_NAME back\\slash',
      'c/',
      'BAD_NAME c/',
      'c/e',
      'dir/',
      'BAD_NAME new\\u{a}line',
    ]);
  });

  it('gives back the memory of its pages when nobody wants the rest', async () => {
    const share = new PageShare(1);
    const bucket = new ModelBucket(['a/b/c', 'a/b/d', 'e'], 10);
    for await (const { entry } of listing(bucket, share).list('', { recursive: true })) {
      assert.ok(share.isExceeded);
      if (entry?.name === 'a/b/c') break;
    }
    assert.ok(!share.isExceeded);
  });

  it('does not list what is in a directory that nobody wants', async () => {
    const bucket = new ModelBucket(['a/b', 'c/d'], 10);
    const options = { recursive: true, enters: (directory: string) => directory !== 'a' };
    const entries = await all(listing(bucket).list('', options));
    assert.deepEqual(entries.map(told), ['a/', 'c/', 'c/d']);
    assert.equal(bucket.pages, 2);
  });
});
