/** The end of a download over several connections does not wait for the slowest of them. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { MIB } from '../../../src/base/units.ts';
import { PinnedContent } from '../../../src/client/download/pinned-content.ts';
import { Position } from '../../../src/client/download/position.ts';
import { Stragglers } from '../../../src/client/download/stragglers.ts';
import type { StreamFileRequest } from '../../../src/wire/messages.ts';
import { within } from '../../support/until.ts';
import { clientOf, scratchDirectory, someFile, startServer } from '../fixtures.ts';
import { first } from './honest-messages.ts';
import type { Script } from './scripted-server.ts';

const LARGE_BYTES = 32 * MIB + 77;

/** Far less than the stall timeout, which is a minute. */
const SOON_MS = 20_000;

describe('a connection that stands still at the end of a download', () => {
  const stands: readonly (readonly [what: string, (request: StreamFileRequest) => boolean])[] = [
    ['the first one', ({ start, limit }) => start === 0 && limit !== 0],
    ['a further one', ({ start, limit }) => start > 0 && limit !== 0],
    ['one that asks whether the version is still the same', ({ limit }) => limit === 0],
  ];
  for (const [what, standsStill] of stands) {
    it(`gives what is left to another: ${what}`, async (t) => {
      const file = someFile('v1', LARGE_BYTES);
      const server = await startServer(t, { a: file });
      const stillAt: StreamFileRequest[] = [];
      Object.defineProperty(server, 'defaultScript', {
        get: (): Script => {
          const request = server.requests.at(-1) as StreamFileRequest;
          if (stillAt.length > 0 || !standsStill(request)) return {};
          stillAt.push(request);
          return { messages: first(request.limit === 0 ? 0 : 20), ending: 'hang' };
        },
      });
      const client = clientOf(t, server, { chunkBytes: 256 * 1024, windowBytes: 65_535 });
      const path = join(await scratchDirectory(t), 'a');
      const downloading = client.download('a', path, { connections: 2 });
      const result = await within('the download completes', downloading, SOON_MS);
      assert.ok(file.content.equals(await readFile(path)));
      assert.deepEqual(
        [stillAt.length, result.attempts, result.restarts, result.wireBytes],
        [1, 1, 0, LARGE_BYTES],
      );
    });
  }
});

describe('the straggler of a download', () => {
  /** Others at so many bytes of 10 MiB, a second later at so many more. */
  function straggler(bytesPerMs: number, ...came: number[]): number | undefined {
    const request = { name: 'a', start: 0, limit: undefined, ifMatch: 'v' };
    const others = came.map(() => ({
      fetched: new Position(request, new PinnedContent('v'), { start: 0, end: 10 * MIB }),
    }));
    const stragglers = new Stragglers<(typeof others)[number]>();
    assert.equal(stragglers.find(others, bytesPerMs, 0), undefined);
    for (const [index, bytes] of came.entries()) others[index]?.fetched.advance(bytes, 0);
    assert.equal(stragglers.find(others, bytesPerMs, 900), undefined);
    const found = stragglers.find(others, bytesPerMs, 1000);
    return found === undefined ? undefined : others.indexOf(found);
  }

  const MIB_PER_SEC = MIB / 1000;

  it('is one that stands still, or is much slower', () => {
    assert.equal(straggler(10 * MIB_PER_SEC, 5 * MIB, 0), 1);
    assert.equal(straggler(10 * MIB_PER_SEC, 5 * MIB, MIB), 1);
  });

  it('is none that is done soon, or hardly slower', () => {
    assert.equal(straggler(100 * MIB_PER_SEC, 8 * MIB), undefined);
    assert.equal(straggler(MIB_PER_SEC, 0.6 * MIB), undefined);
  });

  it('is none for a connection that has brought nothing', () => {
    assert.equal(straggler(0, 0, MIB), undefined);
  });

  it('is none whose bytes this side does not take', () => {
    const stragglers = new Stragglers<{ fetched: Position | undefined }>();
    for (const nowMs of [0, 1000, 2000])
      assert.equal(stragglers.find([{ fetched: undefined }], MIB_PER_SEC, nowMs), undefined);
  });
});
