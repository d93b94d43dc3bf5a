/**
 * The log of the server, on standard error: pretty on a terminal, JSON lines
 * elsewhere. A reader that does not keep up costs lines, never the event loop;
 * what is buffered is written when the process exits.
 */
import { pino } from 'pino';
import { PinoPretty } from 'pino-pretty';
import type { Logger } from '../base/logger.ts';
import { MIB } from '../base/units.ts';
import type { Config } from '../config/schema.ts';
import { colorsFor } from './output.ts';

const STDERR = 2;

/** Lines that wait for a slow reader; beyond it they are dropped. */
const MAX_BUFFERED_BYTES = 8 * MIB;

export function createLog({ level, format }: Config['log']): Logger {
  const isPretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY);
  const destination = isPretty
    ? PinoPretty({
        destination: STDERR,
        sync: true,
        colorize: colorsFor(process.stderr).isColorSupported,
        ignore: 'pid,hostname',
        translateTime: 'SYS:HH:MM:ss.l',
        singleLine: true,
      })
    : pino.destination({ dest: STDERR, sync: false, maxLength: MAX_BUFFERED_BYTES });
  return pino({ level }, destination);
}
