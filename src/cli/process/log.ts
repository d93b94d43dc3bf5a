/**
 * The log of the server, on standard error: pretty on a terminal, JSON lines
 * elsewhere. A slow reader costs lines, never blocks the event loop; the buffer
 * is flushed when the process exits. Warnings of Node and of packages are lines too.
 */
import { constants, openSync } from 'node:fs';
import { pino } from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { Logger } from '../../base/logger.ts';
import { MIB } from '../../base/units.ts';
import type { Config } from '../../config/schema.ts';
import { LogWriter } from './log-writer.ts';
import { colorsFor, printable } from './output.ts';

const STDERR = 2;

/** Lines that wait for a slow reader; beyond it they are dropped. */
const MAX_BUFFERED_BYTES = 8 * MIB;

/** A full disk may have free space again. */
const RETRY_MS = 1000;

/** The log of a process. */
export interface ProcessLog extends Logger {
  /** The lowest level to log from now on. */
  setLevel(level: Config['log']['level']): void;
}

export function createLog({ level, format }: Config['log']): ProcessLog {
  const isPretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY);
  const toText = isPretty ? prettyText() : escapedLine;
  const writer = new LogWriter(openStderr(), {
    maxBytes: MAX_BUFFERED_BYTES,
    retryMs: RETRY_MS,
    onResumed: (droppedLines) =>
      log.warn({ droppedLines }, 'the log could not be written, and lines were dropped'),
  });
  process.once('exit', () => writer.flush());
  const log = pino({ level }, { write: (line: string) => writer.write(toText(line)) });
  // Node itself would write them as text, which no reader of JSON lines can parse.
  process.removeAllListeners('warning');
  process.on('warning', ({ message, name }) => log.warn({ name }, message));
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    setLevel: (changed) => {
      log.level = changed;
    },
    get droppedLines() {
      return writer.droppedLines;
    },
  };
}

/**
 * Standard error, never blocking. Node has made pipes and sockets non-blocking; a
 * terminal, which is shared with the shell, must be opened anew for that.
 */
function openStderr(): number {
  if (!process.stderr.isTTY) return STDERR;
  try {
    return openSync('/proc/self/fd/2', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return STDERR;
  }
}

/** Characters that JSON does not escape and terminals interpret. */
const UNESCAPED = /[\x7f-\x9f\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

function escapedLine(line: string): string {
  return line.replace(UNESCAPED, printable);
}

function prettyText(): (line: string) => string {
  const pretty = prettyFactory({
    colorize: colorsFor(process.stderr).isColorSupported,
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  });
  return (line) => pretty(withVisibleEscapes(line));
}

/** Escapes control characters in the strings of JSON, except line feeds and tabs, for stacks. */
function withVisibleEscapes(line: string): string {
  return line
    .replace(/\\./g, (sequence) => (/[ubfr]/.test(sequence) ? `\\${sequence}` : sequence))
    .replace(UNESCAPED, (character) => `\\${printable(character)}`);
}
