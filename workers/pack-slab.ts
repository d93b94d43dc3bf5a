/**
 * Jobs of a pool thread for a written pack. Its content is in the slab of the
 * job that writes it; the slabs of the others only tell whose thread has died.
 */
import type { PackAnswer, PackJob } from '../src/engine/jobs/job.ts';
import { checkedChunk } from './drain-slab.ts';
import { lookAt, nameFiles, nodeSystemCalls, writeFiles } from './pack-files.ts';
import { enterSlab, isCancelled, leaveSlab } from './slab-memory.ts';

export function packSlab(job: PackJob): PackAnswer {
  enterSlab(job.slab);
  try {
    return perform(job);
  } finally {
    leaveSlab(job.slab);
  }
}

function perform(job: PackJob): PackAnswer {
  const { slab } = job;
  const checkpoint = () => void isCancelled(slab);
  switch (job.kind) {
    case 'look':
      return { kind: 'done', results: lookAt(job.paths, nodeSystemCalls, checkpoint) };
    case 'write': {
      const content = checkedChunk(slab, job.content);
      if (typeof content === 'string') return { kind: 'corrupt', message: content };
      const { files, isRepeated } = job;
      return {
        kind: 'done',
        results: writeFiles(content.raw, files, isRepeated, nodeSystemCalls, checkpoint),
      };
    }
    case 'name':
      return { kind: 'done', results: nameFiles(job.files, nodeSystemCalls, checkpoint) };
  }
}
