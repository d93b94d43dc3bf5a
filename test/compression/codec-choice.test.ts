/** Decisions in virtual time: see simulated-transfer.ts for the world they are made in. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CodecName, type Coding, IDENTITY } from '../../src/base/coding.ts';
import { KIB, MIB } from '../../src/base/units.ts';
import { type DataKind, type Outcome, simulate, type World } from './simulated-transfer.ts';

const GZIP_1: Coding = { codec: 'gzip', level: 1 };
const GZIP_6: Coding = { codec: 'gzip', level: 6 };

/** Names of the codecs two ends have, from the least to the most. */
const PEERS: readonly (readonly CodecName[])[] = [['gzip'], ['gzip', 'brotli'], ['gzip', 'brotli', 'zstd']];

/** Files of several MiB in turn, as in a tar. */
function tarOfBoth(offset: number): DataKind {
  const members = [3, 3, 7, 7, 1, 1, 5, 5, 2, 2, 6, 6, 4, 4, 8, 8];
  let rest = (offset / MIB) % members.reduce((sum, mib) => sum + mib, 0);
  let index = 0;
  while (rest >= (members[index] as number)) {
    rest -= members[index] as number;
    index += 1;
  }
  return index % 2 === 0 ? 'text' : 'random';
}

const KINDS: Readonly<Record<string, World['kindAt']>> = {
  text: () => 'text',
  'random bytes': () => 'random',
  'a tar of both': tarOfBoth,
};

/** MiB a second, and a file that takes seconds over it; the last is more than the ends can do. */
const LINKS: readonly [mibPerSec: number, fileMib: number][] = [
  [1, 32],
  [10, 256],
  [100, 512],
  [1000, 1024],
];

/** What else can be different in the world, with the share of the best that must be reached in it. */
const WORLDS: readonly [name: string, world: Partial<World>, share: number][] = [
  ['buffers of 4 MiB', {}, 0.9],
  ['buffers of 256 KiB', { bufferBytes: 256 * KIB }, 0.9],
  ['a round trip of 64 ms', { roundTripMs: 64 }, 0.9],
  ['workers that share their processors', { workerShare: () => 0.4 }, 0.9],
  ['threads that wait for their turn a third of the time', { pauses: 0.3 }, 0.75],
  // Its own buffers are all that a sender without echoes sees.
  ['no echoes', { hasBarriers: false }, 0.85],
];

function bestForced(world: Partial<World>, fileBytes: number): number {
  return Math.max(
    ...[IDENTITY, GZIP_1, GZIP_6].map((coding) => simulate(world, coding, fileBytes).mibPerSec),
  );
}

/** Mean MiB/s of received bytes in `[fromMs, toMs)`. */
function rateBetween({ receivedBytes }: Outcome, fromMs: number, toMs: number): number {
  const [from, to] = [fromMs / 100 - 1, toMs / 100 - 1].map((index) => receivedBytes[index] as number);
  return ((to as number) - (from as number)) / MIB / ((toMs - fromMs) / 1000);
}

describe('the choice of codings', () => {
  for (const [name, fixed, share] of WORLDS) {
    for (const [mibPerSec, fileMib] of LINKS) {
      for (const [kind, kindAt] of Object.entries(KINDS)) {
        it(`reaches ${share} of the best with ${kind} at ${mibPerSec} MiB/s and ${name}`, () => {
          const world = { ...fixed, kindAt, linkBytesPerSec: () => mibPerSec * MIB };
          const best = bestForced(world, fileMib * MIB);
          for (const codecs of PEERS) {
            const outcome = simulate(world, 'auto', fileMib * MIB, { codecs });
            const reached = outcome.mibPerSec / best;
            assert.ok(
              reached >= share,
              `${reached.toFixed(2)} with ${codecs.join()}\n${outcome.log.join('\n')}`,
            );
          }
        });
      }
    }
  }

  for (const [fromMibPerSec, toMibPerSec] of [
    [100, 2],
    [2, 100],
    [2, 1000],
    [10, 50],
  ] as const) {
    it(`is at 0.8 of the best 2 s after a link went from ${fromMibPerSec} to ${toMibPerSec} MiB/s`, () => {
      const linkBytesPerSec = (nowMs: number) => (nowMs < 2000 ? fromMibPerSec : toMibPerSec) * MIB;
      const after = (outcome: Outcome) => rateBetween(outcome, 4000, 7000);
      const run = (strategy: Coding | 'auto') =>
        simulate({ linkBytesPerSec }, strategy, 8192 * MIB, { limitMs: 7100, codecs: ['gzip', 'brotli'] });
      const best = Math.max(...[IDENTITY, GZIP_1, GZIP_6].map((coding) => after(run(coding))));
      const outcome = run('auto');
      assert.ok(after(outcome) >= 0.8 * best, `${after(outcome)} of ${best}\n${outcome.log.join('\n')}`);
    });
  }

  it('sends no more than what is in flight plainly once a fast link has become slow', () => {
    const linkBytesPerSec = (nowMs: number) => (nowMs < 2000 ? 1000 : 2) * MIB;
    const run = (strategy: Coding | 'auto') =>
      simulate({ linkBytesPerSec }, strategy, 8192 * MIB, { limitMs: 9100 });
    // What was in the buffers by then takes two seconds of the slow link by itself, what workers had read another.
    assert.ok(rateBetween(run('auto'), 5500, 9000) >= 0.8 * rateBetween(run(GZIP_6), 5500, 9000));
  });

  it('follows workers that get busy, and that are free again', () => {
    const world = {
      linkBytesPerSec: () => 60 * MIB,
      workerShare: (nowMs: number) => (nowMs > 2000 && nowMs < 6000 ? 0.1 : 1),
    };
    const limitMs = 16_100;
    const run = (strategy: Coding | 'auto') => simulate(world, strategy, 8192 * MIB, { limitMs });
    const [auto, plain, compressed] = [run('auto'), run(IDENTITY), run(GZIP_1)];
    for (const [fromMs, toMs] of [
      [500, 2000],
      [4000, 6000],
      [13_000, 16_000],
    ] as const) {
      const best = Math.max(rateBetween(plain, fromMs, toMs), rateBetween(compressed, fromMs, toMs));
      const reached = rateBetween(auto, fromMs, toMs) / best;
      assert.ok(reached >= 0.85, `${reached.toFixed(2)} from ${fromMs} ms on\n${auto.log.join('\n')}`);
    }
  });

  it('finds out that a receiver decompresses slower than it takes plain bytes', () => {
    const world = { decodedBytesPerSec: 150 * MIB };
    const outcome = simulate(world, 'auto', 8192 * MIB, { limitMs: 10_100, codecs: ['gzip', 'brotli'] });
    const plain = simulate(world, IDENTITY, 8192 * MIB, { limitMs: 10_100 });
    assert.ok(
      rateBetween(outcome, 2000, 10_000) >= 0.9 * rateBetween(plain, 2000, 10_000),
      outcome.log.join('\n'),
    );
  });

  it('gives plain bytes time while both ends are only getting going', () => {
    // As in processes that have just started: 10 MiB/s at first, 610 after 300 ms; busy workers do 288.
    const endsBytesPerSec = (nowMs: number) => (10 + 2 * Math.min(nowMs, 300)) * MIB;
    const world = { endsBytesPerSec, workerShare: () => 0.3 };
    const plain = simulate(world, IDENTITY, 512 * MIB);
    const outcome = simulate(world, 'auto', 512 * MIB, { codecs: ['gzip', 'brotli'] });
    const reached = outcome.mibPerSec / plain.mibPerSec;
    assert.ok(reached >= 0.9, `${reached.toFixed(2)}\n${outcome.log.join('\n')}`);
  });

  it('gives up what workers have become too slow for within some jobs, whatever the link shows', () => {
    const world = { workerShare: (nowMs: number) => (nowMs < 300 ? 1 : 0.1) };
    const plain = simulate(world, IDENTITY, 1024 * MIB);
    for (const codecs of PEERS) {
      const outcome = simulate(world, 'auto', 1024 * MIB, { codecs });
      const reached = outcome.mibPerSec / plain.mibPerSec;
      assert.ok(reached >= 0.95, `${reached.toFixed(2)} with ${codecs.join()}\n${outcome.log.join('\n')}`);
    }
  });

  for (const [offsetOfChange, kinds] of [
    [100 * MIB, ['text', 'random']],
    [100 * MIB, ['random', 'text']],
  ] as const) {
    it(`sees at once that ${kinds[0]} has become ${kinds[1]}`, () => {
      const kindAt = (offset: number) => (offset < offsetOfChange ? kinds[0] : kinds[1]);
      const outcome = simulate({ linkBytesPerSec: () => 20 * MIB, kindAt }, 'auto', 200 * MIB);
      const wrong = outcome.wronglyCodedBytes;
      assert.ok(wrong <= 8 * MIB, `${wrong / MIB} MiB were sent the wrong way\n${outcome.log.join('\n')}`);
    });
  }

  it('changes its mind less than once a second in a world that does not change', () => {
    for (const [mibPerSec] of LINKS) {
      const world = { linkBytesPerSec: () => mibPerSec * MIB };
      for (const codecs of PEERS) {
        const outcome = simulate(world, 'auto', 65_536 * MIB, { limitMs: 30_000, codecs });
        assert.ok(outcome.switches <= 30, `${outcome.switches} switches in 30 s\n${outcome.log.join('\n')}`);
      }
    }
  });

  it('changes its mind at most twice a second when a link swings', () => {
    const linkBytesPerSec = (nowMs: number) => (Math.floor(nowMs / 700) % 2 === 0 ? 200 : 5) * MIB;
    const outcome = simulate({ linkBytesPerSec }, 'auto', 65_536 * MIB, { limitMs: 30_000 });
    assert.ok(outcome.switches <= 60, `${outcome.switches} switches in 30 s`);
  });

  it('compresses the text behind megabytes of random bytes that were all taken at once', () => {
    const kindAt = (offset: number) => (offset < 3 * MIB || offset >= 8 * MIB ? 'text' : 'random');
    const world = { kindAt, bufferBytes: 16 * MIB, linkBytesPerSec: () => MIB };
    const outcome = simulate(world, 'auto', 16 * MIB, { codecs: ['gzip', 'brotli'] });
    assert.ok(
      outcome.wronglyCodedBytes <= MIB,
      `${outcome.wronglyCodedBytes / MIB} MiB\n${outcome.log.join('\n')}`,
    );
  });

  it('probes random data for at most a fiftieth of a worker, and not at all where nothing could be gained', () => {
    const kindAt = () => 'random' as const;
    const slow = simulate({ kindAt, linkBytesPerSec: () => 100 * MIB }, 'auto', 1024 * MIB);
    assert.ok(slow.probes * 0.1 <= slow.ms / 50, `${slow.probes} probes in ${slow.ms} ms`);
    const fast = simulate({ kindAt }, 'auto', 4096 * MIB);
    // Sixty-four at once, and what the first jobs ask before there is room.
    assert.ok(fast.probes <= 80, `${fast.probes} probes`);
  });
});
