/** What a running link can be told on its standard input, by a person or by `link-process.ts`: a line each. */
import type { Link } from './link.ts';
import { parseDelays, parseDirection, parseFault, parseRates } from './notation.ts';

export const COMMANDS_HELP = `delay 8ms[,2ms]      from now on; with a comma: up, down
jitter 2ms[,1ms]
rate 10MiB/s|none
connection-rate 1MiB/s|none
cut                  break all connections
cut down,1MiB        break the next connection when 1 MiB has come down it
stall [up|down]      move nothing any more; connections stay open
stall up,1MiB        stall the next connection there
end up,1MiB          end the next connection there, in this direction only
go                   end all stalls
stats`;

/** Does what `line` says; returns what to answer. Throws with what was wrong. */
export function runCommand(link: Link, line: string): string {
  const [verb = '', argument = ''] = line.trim().split(/\s+/);
  const run = COMMANDS[verb];
  if (run === undefined) throw new Error(`"${verb}" is none of ${Object.keys(COMMANDS).join(', ')}`);
  return run(link, argument) ?? 'ok';
}

const COMMANDS: Readonly<Record<string, (link: Link, argument: string) => string | undefined>> = {
  delay(link, argument) {
    link.change({ delayMs: parseDelays(argument) });
    return undefined;
  },
  jitter(link, argument) {
    link.change({ jitterMs: parseDelays(argument) });
    return undefined;
  },
  rate(link, argument) {
    link.change({ rateBytesPerSec: parseRates(argument) });
    return undefined;
  },
  'connection-rate'(link, argument) {
    link.change({ connectionRateBytesPerSec: parseRates(argument) });
    return undefined;
  },
  cut(link, argument) {
    if (argument === '') link.cut();
    else link.failNext(parseFault('cut', argument));
    return undefined;
  },
  stall(link, argument) {
    if (argument === '') link.stall();
    else if (argument.includes(',')) link.failNext(parseFault('stall', argument));
    else link.stall(parseDirection(argument));
    return undefined;
  },
  end(link, argument) {
    link.failNext(parseFault('end', argument));
    return undefined;
  },
  go(link) {
    link.go();
    return undefined;
  },
  stats: (link) => JSON.stringify(link.stats()),
};
