/** The logging seam: what the layers below the command line need of a logger (pino fits it). */

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Lines that could not be written so far; absent where none is ever dropped. */
  readonly droppedLines?: number;
}

/** A logger that drops everything; the default of the library. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
};
