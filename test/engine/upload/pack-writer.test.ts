/** Packs by real threads, which die now and then. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { crc32 } from 'node:zlib';
import type { Engine } from '../../../src/engine/engine.ts';
import { writePack } from '../../storage/local/uploads/packs/pack-of.ts';
import { scratchUploads, uploadEntries, visibleFiles } from '../../storage/local/uploads/scratch-uploads.ts';
import { startEngine } from '../../support/test-engine.ts';
import { until } from '../../support/until.ts';

const FILES = Array.from(
  { length: 100 },
  (_, at) => [`directory-${at % 3}/file-${at}`, `content ${at}`] as const,
);

/** Files whose content says which pack they are of. */
function filesOf(pack: number): Record<string, string> {
  return Object.fromEntries(FILES.map(([name, content]) => [`${pack}/${name}`, `${content} of ${pack}`]));
}

async function write(
  t: TestContext,
  engine: Engine,
  uploads: Parameters<typeof writePack>[0],
  pack: number,
  condition: 'absent' | 'any',
) {
  const files = filesOf(pack);
  const bytes = Buffer.from(Object.values(files).join(''));
  const jobs = engine.writePack({ bytes, codec: 'identity', rawBytes: bytes.length, crc32: crc32(bytes) });
  t.after(() => jobs.close());
  const outcomes = await writePack(uploads, files, { jobs, condition: { kind: condition } });
  jobs.close();
  for (const outcome of outcomes) if (outcome instanceof Error) throw outcome;
}

describe('packs', () => {
  for (const condition of ['absent', 'any'] as const) {
    it(`get on when threads die in their jobs (names that may be ${condition})`, async (t) => {
      const engine = await startEngine(t, { threads: 2 });
      const { root, uploads } = await scratchUploads(t, { sync: 'none' });
      let isOver = false;
      const killing = (async () => {
        for (let kills = 0; kills < 12 && !isOver; kills += 1) {
          await engine.workers.killThread();
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      })();
      const packs = Array.from({ length: 12 }, (_, pack) => write(t, engine, uploads, pack, condition));
      await Promise.all(packs);
      isOver = true;
      await killing;
      const expected = Object.assign({}, ...packs.map((_, pack) => filesOf(pack)));
      assert.deepEqual(visibleFiles(root), expected);
      assert.deepEqual(uploadEntries(root), []);
      await until('nothing is held', () => {
        const { jobsOutstanding, slabs, uploads: under } = engine.stats();
        return under + jobsOutstanding + engine.slabs.held === 0 && slabs.free === slabs.count;
      });
      assert.ok(engine.counters.workerDeaths.total > 0);
    });
  }
});
