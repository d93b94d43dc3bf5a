/**
 * A rate-limited logger: of each kind of line, a number a second are passed on,
 * and then one line with the number left out. The kind is the message, a
 * constant, with the field `result`, one of a closed set.
 */
import { Counters } from './counters/counters.ts';
import type { Logger } from './logger.ts';

type Level = 'info' | 'warn' | 'error';

/** Lines of one kind within a second. */
interface Burst {
  level: Level;
  /** The most lines that are passed on. */
  most: number;
  lines: number;
  timer: NodeJS.Timeout;
}

const WINDOW_MS = 1000;

/** Successful requests are the account of the server's work; a thousand lines are 350 KB. */
const MAX_OK_LINES = 1000;

/** Refusals and failures of one kind say nothing new. */
const MAX_OTHER_LINES = 50;

export class CalmLogger implements Logger {
  readonly #logger: Logger;
  readonly #bursts = new Map<string, Burst>();
  readonly #counters: Counters;

  /** @param counters default: some that nobody reads */
  constructor(logger: Logger, counters = new Counters()) {
    this.#logger = logger;
    this.#counters = counters;
    counters.logLines.observe(() => logger.droppedLines ?? 0, 'dropped');
  }

  /** Not limited: debug lines are wanted in full. */
  debug(fields: object, message: string): void {
    this.#logger.debug(fields, message);
  }

  info(fields: object, message: string): void {
    this.#pass('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#pass('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#pass('error', fields, message);
  }

  /** Logs how many lines were left out so far; for the end. */
  close(): void {
    for (const kind of this.#bursts.keys()) this.#ended(kind);
  }

  #pass(level: Level, fields: object, message: string): void {
    const { result } = fields as { result?: unknown };
    const kind = typeof result === 'string' ? `${message}: ${result}` : message;
    let burst = this.#bursts.get(kind);
    if (burst === undefined) {
      const timer = setTimeout(() => this.#ended(kind), WINDOW_MS).unref();
      burst = { level, most: result === 'OK' ? MAX_OK_LINES : MAX_OTHER_LINES, lines: 0, timer };
      this.#bursts.set(kind, burst);
    }
    burst.lines += 1;
    if (burst.lines <= burst.most) this.#logger[level](fields, message);
    else this.#counters.logLines.add(1, 'leftOut');
  }

  #ended(kind: string): void {
    const burst = this.#bursts.get(kind);
    if (burst === undefined) return;
    clearTimeout(burst.timer);
    this.#bursts.delete(kind);
    const leftOut = burst.lines - burst.most;
    if (leftOut > 0) this.#logger[burst.level]({ kind, leftOut }, 'more lines of one kind were left out');
  }
}
