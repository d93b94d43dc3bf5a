/** A job of a pool thread for a listing: looks at many entries, as long as a job should take. */
import { lstatSync } from 'node:fs';
import { errnoOf } from '../src/base/errors.ts';
import { type EntryStats, entryStatsOf, type FailedCall } from '../src/base/files/entry-stats.ts';
import type { ListAnswer, ListJob } from '../src/engine/jobs/job.ts';

/** Then others have their turn: a disk that has to be asked may take this long for one entry. */
const SLICE_MS = 2;

export function lookAtEntries({ paths }: ListJob): ListAnswer {
  const entries: (EntryStats | FailedCall)[] = [];
  const endMs = performance.now() + SLICE_MS;
  for (const path of paths) {
    entries.push(lookAt(path));
    if (performance.now() > endMs) break;
  }
  return { kind: 'listed', entries };
}

function lookAt(path: string): EntryStats | FailedCall {
  try {
    return entryStatsOf(lstatSync(path, { bigint: true }));
  } catch (reason) {
    return { errno: errnoOf(reason) ?? 'UNKNOWN' };
  }
}
