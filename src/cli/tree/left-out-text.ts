/** The words for what a batch leaves out. */
import type { LeftOut } from '../../client/tree/plan/left-out.ts';
import type { OmissionReason } from '../../wire/messages.ts';
import { printable } from '../process/output.ts';

const WORDS: Readonly<Record<OmissionReason, string>> = {
  OMISSION_SYMBOLIC_LINK: 'symbolic links',
  OMISSION_SPECIAL_FILE: 'special files',
  OMISSION_UNREADABLE: 'unreadable',
  OMISSION_BAD_NAME: 'names that cannot be sent (not UTF-8, control characters, a backslash, too long)',
  OMISSION_TOO_DEEP: 'below too many directories',
  OMISSION_OTHER_FILE_SYSTEM: 'on another file system',
  OMISSION_UNSPECIFIED: 'for another reason',
};

/** A line for each kind: `left out, symbolic links: 12 (a, b, …)`. */
export function leftOutLines({ kinds }: LeftOut): string[] {
  return kinds.map(({ count, names, reason }) => {
    const more = count > names.length ? ', …' : '';
    return `left out, ${WORDS[reason]}: ${count} (${names.map(printable).join(', ')}${more})`;
  });
}

/** `symbolic links: 2; unreadable: 1`, for one sentence. */
export function leftOutSummary({ kinds }: LeftOut): string {
  return kinds.map(({ count, reason }) => `${WORDS[reason]}: ${count}`).join('; ');
}
