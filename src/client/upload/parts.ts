/** The parts of one upload. */
import type { ByteRange } from '../../base/ranges.ts';
import { type Part, Parts } from '../lanes/parts.ts';
import { MIN_PART_BYTES } from '../limits.ts';

/** A part being sent: taken is what is being read or was, moved what went to the network. */
export interface SendingPart extends Part {
  movedEnd: number;
}

export type UploadParts = Parts<SendingPart>;

/** What the server does not have. */
export function uploadParts(missing: readonly ByteRange[]): UploadParts {
  return new Parts(missing, MIN_PART_BYTES, ({ start, end }) => ({
    start,
    end,
    takenEnd: start,
    movedEnd: start,
  }));
}
