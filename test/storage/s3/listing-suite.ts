/** What a listing of a bucket must say, for any keys; the model says it of names. */
import assert from 'node:assert/strict';
import { writePosition } from '../../../src/storage/listing-position.ts';
import { nameFault } from '../../../src/storage/name.ts';
import type { Listed, Store } from '../../../src/storage/store.ts';
import type { Random } from '../../support/seed.ts';
import { listingOf } from '../../support/stores/memory-listing.ts';

/** Characters on both sides of '/', and of several bytes. */
const CHARACTERS = ['a', 'b', '-', '.', ' ', '+', '0', 'é', '😀'];

/** Good names, many of which begin with others. */
export function randomNames(random: Random, count: number): string[] {
  const component = () =>
    Array.from({ length: random.between(1, 3) }, () => random.pick(CHARACTERS)).join('');
  const names = new Set<string>();
  while (names.size < count) {
    const name = Array.from({ length: random.between(1, 3) }, component).join('/');
    const isDirectory = [...names].some((other) => other.startsWith(`${name}/`));
    const isBelowFile = [...names].some((other) => name.startsWith(`${other}/`));
    if (nameFault(name) === undefined && !isDirectory && !isBelowFile) names.add(name);
  }
  return [...names];
}

type Lists = Pick<Store, 'list'>;

/** Lists the whole and each directory, and resumes behind each entry. */
export async function checkListings(store: Lists, names: readonly string[]): Promise<void> {
  const files = names.map((name) => ({ name, size: name.length, version: '', modifiedMs: 0 }));
  for (const recursive of [true, false]) {
    const expected = [...listingOf(files, [], '', { recursive })].map(wayOf);
    const listed = await all(store.list('', { recursive }));
    assert.deepEqual(listed.map(wayOf), expected);
    for (const [index, { position }] of listed.entries()) {
      const rest = await all(store.list('', { recursive, after: writePosition(position) }));
      assert.deepEqual(rest.map(wayOf), expected.slice(index + 1), `behind ${position}`);
    }
  }
  const directories = new Set(
    names.flatMap((name) => (name.includes('/') ? [name.split('/')[0] ?? ''] : [])),
  );
  for (const directory of directories) {
    const expected = [...listingOf(files, [], directory, { recursive: true })].map(wayOf);
    assert.deepEqual((await all(store.list(directory, { recursive: true }))).map(wayOf), expected);
  }
}

export async function all(listing: AsyncIterable<Listed>): Promise<Listed[]> {
  const listed = [];
  for await (const each of listing) listed.push(each);
  return listed;
}

function wayOf({ entry, position }: Listed): string {
  return `${position} ${entry?.name}${entry?.isDirectory === true ? '/' : ''}`;
}
