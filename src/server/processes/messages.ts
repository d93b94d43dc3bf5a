/**
 * What the primary of a server with several processes and the others tell each
 * other. Both directions in one file; all of it is plain JSON.
 */
import type { Answers, Question } from '../../admin/processes.ts';
import type { CounterValues } from '../../base/counters/counters.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { Config } from '../../config/schema.ts';

/** How something is to be held: see `ProcessLocks`. */
export type Hold = 'names' | 'lease' | 'tryLease';

/** From the primary. */
export type ToProcess =
  /** The answer to `hello`. `config` is that of the whole server. */
  | { readonly kind: 'start'; readonly config: Config; readonly number: number }
  | { readonly kind: 'reload'; readonly config: Config }
  /** As after SIGTERM; `isReplaced`: others serve on. */
  | { readonly kind: 'stop'; readonly isReplaced: boolean }
  | { readonly kind: 'held'; readonly ticket: number }
  | { readonly kind: 'notHeld'; readonly ticket: number }
  /** Another process waits for this upload. */
  | { readonly kind: 'recall'; readonly id: string }
  | { readonly kind: 'question'; readonly ticket: number; readonly question: Question }
  | {
      readonly kind: 'answers';
      readonly ticket: number;
      readonly answers: readonly Answers[keyof Answers][];
      /** What processes that are gone have counted. */
      readonly gone: CounterValues | null;
    };

/** To the primary. */
export type FromProcess =
  /** The first one: it listens, and wants to know what it is to do. */
  | { readonly kind: 'hello' }
  | { readonly kind: 'ready'; readonly address: string }
  /** It could not start. */
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }
  | {
      readonly kind: 'hold';
      readonly ticket: number;
      readonly how: Hold;
      readonly keys: readonly string[];
    }
  | { readonly kind: 'release'; readonly ticket: number }
  | { readonly kind: 'ask'; readonly ticket: number; readonly question: Question }
  | { readonly kind: 'answer'; readonly ticket: number; readonly answer: Answers[keyof Answers] }
  /** The last message. */
  | { readonly kind: 'ended'; readonly counters: CounterValues };
