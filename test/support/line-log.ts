/** The log of a server in this process, as lines that a test can look at. */
import type { Logger } from '../../src/base/logger.ts';

export interface Line {
  level: string;
  message: string;
  method?: string;
  path?: string;
  requestId?: string;
  result?: string;
}

/** Keeps what is said of requests. */
export class LineLog implements Logger {
  readonly lines: Line[] = [];
  readonly #hasWarnings: boolean;

  /** @param hasWarnings keeps warnings too */
  constructor(hasWarnings = false) {
    this.#hasWarnings = hasWarnings;
  }

  /** Of a request itself, without what the audit has of it. */
  of(requestId: string): Line[] {
    return this.lines.filter((line) => line.requestId === requestId && line.message !== 'audit');
  }

  debug(): void {}
  info(fields: object, message: string): void {
    this.lines.push({ level: 'info', message, ...fields });
  }
  warn(fields: object, message: string): void {
    if (this.#hasWarnings) this.lines.push({ level: 'warn', message, ...fields });
  }
  error(fields: object, message: string): void {
    this.lines.push({ level: 'error', message, ...fields });
  }
}
