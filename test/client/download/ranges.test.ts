/** What is received, under way and waiting of a download, against a list of blocks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KIB, MIB } from '../../../src/base/units.ts';
import type { Position } from '../../../src/client/download/position.ts';
import { DownloadRanges } from '../../../src/client/download/ranges.ts';
import { MIN_SLOW_STRIPE_BYTES, MIN_STRIPE_BYTES } from '../../../src/client/limits.ts';
import { combineCrc32 } from '../../../src/wire/crc32.ts';
import { Random, seedOf } from '../../support/seed.ts';

const BLOCK_BYTES = 256 * KIB;
const WORLDS = 200;

/** What is known of a block: `lacking`, `there`, or the position that is to bring it. */
type Block = 'lacking' | 'there' | Position;

class World {
  readonly #random: Random;
  readonly #blocks: Block[];
  readonly #crcs: readonly number[];
  readonly #size: number;
  readonly #ranges = new DownloadRanges({ name: 'a', start: 0, limit: undefined, ifMatch: '' });
  readonly #moving = new Set<Position>();

  constructor(random: Random) {
    this.#random = random;
    this.#blocks = new Array<Block>(random.between(1, 400)).fill('lacking');
    this.#size = this.#blocks.length * BLOCK_BYTES;
    this.#crcs = this.#blocks.map(() => random.between(0, 0xffffffff));
  }

  run(): void {
    const lanes = this.#random.between(1, 6);
    for (let steps = 0; this.#ranges.count > 0; steps += 1) {
      assert.ok(steps < 100_000, 'it comes to an end');
      if (this.#moving.size < lanes && this.#random.next() < 0.3) this.#take();
      const position = this.#any();
      if (position !== undefined) this.#step(position, this.#random.next());
      this.#check();
    }
    assert.ok(this.#blocks.every((block) => block === 'there'));
    assert.equal(this.#ranges.crc32, this.#crcOf(0, this.#size));
    assert.ok(this.#ranges.complete.aborted);
  }

  #any(): Position | undefined {
    return this.#moving.size === 0 ? undefined : this.#random.pick([...this.#moving]);
  }

  #take(): void {
    const position = this.#ranges.take(this.#random.pick([MIN_STRIPE_BYTES, MIN_SLOW_STRIPE_BYTES]));
    if (position === undefined) return;
    if (this.#ranges.content.file === undefined) {
      position.pin({ name: 'a', size: this.#size, version: 'v', modifiedMs: 0, contentType: '' }, false);
    }
    for (let at = position.start; at < position.end; at += BLOCK_BYTES) {
      const block = this.#blockAt(at);
      assert.notEqual(block, 'there');
      // Stolen of what another has not got yet, and is no longer to get.
      if (typeof block === 'object') assert.ok(block.takenEnd <= at && block.end <= at);
      this.#blocks[at / BLOCK_BYTES] = position;
    }
    this.#moving.add(position);
  }

  #step(position: Position, fate: number): void {
    if (fate < 0.7) this.#arrive(position);
    else if (fate < 0.8) this.#lose(position, false);
    else if (fate < 0.82) this.#lose(position, true);
    else if (fate < 0.85) this.#ranges.cut(position);
    if (position.offset < position.end || !this.#moving.has(position)) return;
    this.#ranges.settle(position);
    this.#over(position);
  }

  #arrive(position: Position): void {
    const most = (position.end - position.takenEnd) / BLOCK_BYTES;
    position.takenEnd += Math.min(most, this.#random.between(0, 16)) * BLOCK_BYTES;
    const delivered = this.#random.between(0, (position.takenEnd - position.offset) / BLOCK_BYTES);
    for (let count = 0; count < delivered; count += 1) {
      position.advance(BLOCK_BYTES, this.#crcs[position.offset / BLOCK_BYTES] as number);
    }
  }

  #lose(position: Position, isSuspect: boolean): void {
    if (isSuspect) position.rewind({ offset: position.start, crc32: 0 });
    this.#ranges.giveBack(position);
    this.#over(position);
  }

  #over(position: Position): void {
    this.#moving.delete(position);
    for (const [index, block] of this.#blocks.entries()) {
      if (block !== position) continue;
      const at = index * BLOCK_BYTES;
      this.#blocks[index] = at < position.offset ? 'there' : 'lacking';
    }
  }

  #check(): void {
    let receivedBytes = 0;
    for (const block of this.#blocks) if (block === 'there') receivedBytes += BLOCK_BYTES;
    for (const { offset, start } of this.#moving) receivedBytes += offset - start;
    assert.equal(this.#ranges.receivedBytes, receivedBytes);
  }

  #crcOf(start: number, end: number): number {
    return this.#crcs
      .slice(start / BLOCK_BYTES, end / BLOCK_BYTES)
      .reduce((crc, next) => combineCrc32(crc, next, BLOCK_BYTES), 0);
  }

  #blockAt(at: number): Block {
    return this.#blocks[at / BLOCK_BYTES] as Block;
  }
}

test('every byte is fetched once, whatever is taken, stolen, lost and given back', (t) => {
  const random = new Random(seedOf(t));
  for (let world = 0; world < WORLDS; world += 1) new World(random).run();
});

test('a file that cannot be pinned to a version is not divided', () => {
  const ranges = new DownloadRanges({ name: 'a', start: 0, limit: undefined, ifMatch: '' });
  const file = { name: 'a', size: 100 * MIB, version: '', modifiedMs: 0, contentType: '' };
  ranges.take(MIN_STRIPE_BYTES)?.pin(file, true);
  assert.equal(ranges.isDivisible, false);
});
