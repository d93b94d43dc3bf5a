/** What it costs on the shortest link that windows follow it: nothing that a size chosen by hand would save. */
import { join } from 'node:path';
import { GIB, MIB } from '../../src/base/units.ts';
import { atLeast, ratioOf } from '../harness/bar.ts';
import { loadCase, type Scenario } from '../harness/scenario.ts';
import { uploadCase } from '../harness/uploads.ts';
import { sluice } from '../peers/sluice.ts';
import { sluiceUploads } from '../peers/uploads.ts';

const WARM_UP_BYTES = 512 * MIB;

/** Each reads the same share, up to the end of the file. */
const STREAMS = 16;

/** Sizes that were the best at some time on some machine. */
const STATIC_MIB = [1, 8];
const STATIC_UPLOAD_FLAGS = ['512KiB', '2MiB', '8MiB'];

export const windowLoopback: Scenario = {
  name: 'window-loopback',
  describe:
    '1 GiB each way and 2 GiB by 16 streams on loopback, with windows that follow the link and with sizes given by hand',
  bars: [
    ...STATIC_MIB.map((mib) =>
      atLeast(0.97, ratioOf('rateMibPerSec', 'download, following', `download, ${mib} MiB`)),
    ),
    ...STATIC_MIB.map((mib) =>
      atLeast(0.97, ratioOf('rateMibPerSec', '16 downloads, following', `16 downloads, ${mib} MiB`)),
    ),
    ...STATIC_UPLOAD_FLAGS.map((size) =>
      atLeast(0.97, ratioOf('rateMibPerSec', 'upload, following', `upload, ${size}`)),
    ),
  ],
  async prepare(context) {
    const { files } = context;
    const file = await files.random(GIB);
    const plan = { file, warmUpStart: GIB - WARM_UP_BYTES };
    const shares = {
      file,
      streams: STREAMS,
      start: GIB - (2 * GIB) / STREAMS,
      warmUpStart: GIB - WARM_UP_BYTES / 4,
    };
    const uploads = {
      path: join(files.directory, file),
      warmUpPath: join(files.directory, await files.random(WARM_UP_BYTES / 2)),
    };
    return [
      loadCase('download, following', sluice, context, plan),
      ...STATIC_MIB.map((mib) =>
        loadCase(`download, ${mib} MiB`, sluice, context, { ...plan, windowBytes: mib * MIB }),
      ),
      loadCase('16 downloads, following', sluice, context, shares),
      ...STATIC_MIB.map((mib) =>
        loadCase(`16 downloads, ${mib} MiB`, sluice, context, { ...shares, windowBytes: mib * MIB }),
      ),
      uploadCase('upload, following', sluiceUploads('none'), context, uploads),
      ...STATIC_UPLOAD_FLAGS.map((size) =>
        uploadCase(`upload, ${size}`, sluiceUploads('none', ['--uploads-window', size]), context, uploads),
      ),
    ];
  },
};
