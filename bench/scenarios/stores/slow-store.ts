/** Reads in flight over a directory whose disk answers late. */
import { pathToFileURL } from 'node:url';
import { driverContender } from '../../harness/contender.ts';
import { compiledPath } from '../../harness/paths.ts';
import { startSluice } from '../../peers/sluice.ts';
import { READ_MS, readsInFlight } from './reads-in-flight.ts';

const LATE_READS = `${pathToFileURL(compiledPath('bench/peers/slow-reads.js')).href}?ms=${READ_MS}`;

/** As many as reads in flight: each occupies one. */
const THREADS = 10;

export const slowStore = readsInFlight({
  name: 'slow-store',
  from: `a store that takes ${READ_MS} ms for each read, and from the page cache`,
  late: 'slow store',
  atOnce: 'page cache',
  requestsBefore: 0,
  contender: (isLate, flags) =>
    driverContender(
      'sluice',
      (directory) =>
        startSluice(
          directory,
          [...flags, `--pool-threads=${THREADS}`],
          isLate ? ['--import', LATE_READS] : [],
        ),
      'sluice-driver',
      'tuned',
    ),
});
