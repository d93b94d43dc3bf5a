/** The client's log as notes beside the progress: retries, restarts, discarded partial files. */
import type { Logger } from '../../base/logger.ts';
import type { ProgressDisplay } from '../progress/progress.ts';
import { createDisplay } from '../progress/progress-display.ts';

/** `display` may change later, so it is asked for at each message. */
export function createNoteLogger(display: ProgressDisplay, verbose: boolean): Logger {
  let last = '';
  const note = (fields: object, message: string) => {
    const { name, reason, ...rest } = fields as { name?: string; reason?: string };
    const subject = name === undefined ? '' : `${name}: `;
    const why = reason === undefined ? '' : ` (${reason})`;
    const more = verbose && Object.keys(rest).length > 0 ? ` ${JSON.stringify(rest)}` : '';
    const text = `${subject}${message}${why}${more}`;
    // Otherwise an unreachable server would fill the screen with one sentence.
    if (text !== last) display.note(text);
    last = text;
  };
  return { debug: verbose ? note : () => {}, info: note, warn: note, error: note };
}

/** For commands without progress: their result is on standard output, notes go to standard error. */
export function createStderrNotes({
  json = false,
  verbose = false,
}: {
  json?: boolean;
  verbose?: boolean;
}): Logger {
  return createNoteLogger(createDisplay({ json, quiet: false, isStdoutTaken: true }), verbose);
}
