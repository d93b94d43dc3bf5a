/** What it costs on the shortest link that windows follow it: nothing that a size chosen by hand would save. */
import { join } from 'node:path';
import { GIB, MIB } from '../../src/base/units.ts';
import { atLeast, ratioOf } from '../harness/bar.ts';
import type { LoadPlan } from '../harness/contender.ts';
import { type BenchContext, type Case, loadCase, type Scenario } from '../harness/scenario.ts';
import { uploadCase } from '../harness/uploads.ts';
import { sluice } from '../peers/sluice.ts';
import { sluiceUploads } from '../peers/uploads.ts';

const WARM_UP_BYTES = 512 * MIB;

/** Each reads the same share, up to the end of the file. */
const STREAMS = 16;

/** A second or two of processors that others use as well: a tenth more or less from one time to the next. */
const TIMES_A_ROUND = 3;

/** Sizes that were the best at some time on some machine. */
const STATIC_MIB = [1, 8];
const STATIC_UPLOAD_FLAGS = ['512KiB', '2MiB', '8MiB'];

export const windowLoopback: Scenario = {
  name: 'window-loopback',
  describe:
    '1 GiB, and 2 GiB by 16 streams, on loopback: windows that follow the link beside sizes given by hand',
  bars: ['download', '16 downloads'].flatMap((load) =>
    STATIC_MIB.map((mib) =>
      atLeast(0.97, ratioOf('rateMibPerSec', `${load}, following`, `${load}, ${mib} MiB`)),
    ),
  ),
  async prepare(context) {
    const file = await context.files.random(GIB);
    const one = { file, warmUpStart: GIB - WARM_UP_BYTES };
    const shares = {
      file,
      streams: STREAMS,
      start: GIB - (2 * GIB) / STREAMS,
      warmUpStart: GIB - WARM_UP_BYTES / 4,
    };
    return [...downloadCases('download', context, one), ...downloadCases('16 downloads', context, shares)];
  },
};

export const windowLoopbackUpload: Scenario = {
  name: 'window-loopback-upload',
  describe: 'an upload of 1 GiB on loopback: windows that follow the link beside sizes given by hand',
  bars: STATIC_UPLOAD_FLAGS.map((size) =>
    atLeast(0.97, ratioOf('rateMibPerSec', 'upload, following', `upload, ${size}`)),
  ),
  async prepare(context) {
    const { files } = context;
    const plan = {
      path: join(files.directory, await files.random(GIB)),
      warmUpPath: join(files.directory, await files.random(WARM_UP_BYTES / 2)),
    };
    return [
      uploadCase('upload, following', sluiceUploads('none'), context, plan),
      ...STATIC_UPLOAD_FLAGS.map((size) =>
        uploadCase(`upload, ${size}`, sluiceUploads('none', ['--uploads-window', size]), context, plan),
      ),
    ];
  },
};

function downloadCases(load: string, context: BenchContext, plan: LoadPlan): Case[] {
  return [
    loadCase(`${load}, following`, sluice, context, plan),
    ...STATIC_MIB.map((mib) =>
      loadCase(`${load}, ${mib} MiB`, sluice, context, { ...plan, windowBytes: mib * MIB }),
    ),
  ].map((each) => ({ ...each, timesARound: TIMES_A_ROUND }));
}
