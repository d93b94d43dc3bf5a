/** Reads in flight before an object store that is far away: each of its requests takes the same time. */
import { bucketContender } from '../../peers/bucket.ts';
import { READ_MS, readsInFlight } from './reads-in-flight.ts';

export const slowBucket = readsInFlight({
  name: 'slow-bucket',
  from: `a bucket whose store takes ${READ_MS} ms for each request, and from one whose store takes no time`,
  late: 'far bucket',
  atOnce: 'near bucket',
  // The one that opens the file.
  requestsBefore: 1,
  contender: (isLate, flags) => bucketContender({ latencyMs: isLate ? READ_MS : 0, flags }),
});
