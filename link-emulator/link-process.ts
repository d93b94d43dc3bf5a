/**
 * The link in a process of its own, for tests and benches that must not share
 * an event loop with it. The controls are those of `Link`, each a command to
 * the process; it ends with its parent.
 */
import { compiledPath } from '../bench/harness/paths.ts';
import { Child } from '../src/cli/process/child.ts';
import type { DirectedFault, Direction } from './connection.ts';
import type { EachWay, LinkOptions, LinkSettings, LinkStats } from './link.ts';
import { parseEndpoint, writeEachWay, writeEndpoint } from './notation.ts';

const START_TIMEOUT_MS = 20_000;
const ANSWER_TIMEOUT_MS = 20_000;

/**
 * glibc gives freed buffers back to the kernel, and in a virtual machine the next ones may cost a second of CPU for
 * each 100 MiB. A user's processes do that too; what measures them should not.
 */
const KEPT_MEMORY = {
  MALLOC_MMAP_THRESHOLD_: '1073741824',
  MALLOC_TOP_PAD_: '67108864',
  MALLOC_TRIM_THRESHOLD_: '1073741824',
};

/** Everything but a clock, which does not reach another process. */
export interface LinkProcessOptions extends Omit<LinkOptions, 'clock'> {
  /** Its code is warm from the first connection on. */
  isWarm?: boolean;
}

/** Starts a link; resolves once it accepts connections. */
export async function startLinkProcess(options: LinkProcessOptions): Promise<LinkProcess> {
  const args = [compiledPath('link-emulator/main.js'), ...argumentsFor(options)];
  const child = new Child('link', process.execPath, args, {
    env: { ...process.env, ...KEPT_MEMORY },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  try {
    const [, address = ''] = await child.says(/^link is ready on (\S+:\d+)\b.*\n/m, START_TIMEOUT_MS);
    return new LinkProcess(child, address);
  } catch (error) {
    await child.end();
    throw error;
  }
}

export class LinkProcess {
  /** `host:port` for a client. */
  readonly address: string;
  readonly #child: Child;
  #commands = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** `startLinkProcess` makes one. */
  constructor(child: Child, address: string) {
    this.#child = child;
    this.address = address;
  }

  get port(): number {
    return parseEndpoint(this.address).port;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** From now on; what is on its way keeps its delay. */
  async change(settings: LinkSettings): Promise<void> {
    const { connectionRateBytesPerSec, delayMs, jitterMs, rateBytesPerSec } = settings;
    if (delayMs !== undefined) await this.#command(`delay ${writeEachWay(delayMs, 'ms')}`);
    if (jitterMs !== undefined) await this.#command(`jitter ${writeEachWay(jitterMs, 'ms')}`);
    if (rateBytesPerSec !== undefined) await this.#command(`rate ${writeEachWay(rateBytesPerSec, '')}`);
    if (connectionRateBytesPerSec !== undefined) {
      await this.#command(`connection-rate ${writeEachWay(connectionRateBytesPerSec, '')}`);
    }
  }

  /** Breaks all connections there are; later ones get through. */
  async cut(): Promise<void> {
    await this.#command('cut');
  }

  /** Moves nothing any more, in one direction or in both; connections stay open. */
  async stall(direction?: Direction): Promise<void> {
    await this.#command(`stall ${direction ?? ''}`);
  }

  /** Ends all stalls, also those of faults. */
  async go(): Promise<void> {
    await this.#command('go');
  }

  /** What befalls the next connection; several calls: the ones after it. */
  async failNext({ kind, direction, atByte }: DirectedFault): Promise<void> {
    await this.#command(`${kind} ${direction},${atByte}`);
  }

  async stats(): Promise<LinkStats> {
    return JSON.parse(await this.#command('stats')) as LinkStats;
  }

  /** Ends the process and with it all connections; safe to call twice. */
  async stop(): Promise<void> {
    await this.#child.end();
  }

  /** One at a time: answers come in the order of the commands. */
  async #command(line: string): Promise<string> {
    const answer = this.#last.then(() => this.#ask(line));
    this.#last = answer.catch(() => {});
    return await answer;
  }

  async #ask(line: string): Promise<string> {
    this.#commands += 1;
    this.#child.process.stdin?.write(`${line}\n`);
    const answer = new RegExp(`^${this.#commands} (.*)\n`, 'm');
    const [, text = ''] = await this.#child.says(answer, ANSWER_TIMEOUT_MS);
    if (text.startsWith('error: ')) throw new Error(`link: ${line}: ${text}`);
    return text;
  }
}

function argumentsFor(options: LinkProcessOptions): string[] {
  const { target, listen, delayMs, jitterMs, queueBytes, faults = [], isWarm } = options;
  const given: [flag: string, value: string | undefined][] = [
    ['--target', [target].flat().map(writeEndpoint).join()],
    ['--listen', listen && writeEndpoint(listen)],
    ['--delay', each(delayMs, 'ms')],
    ['--jitter', each(jitterMs, 'ms')],
    ['--rate', each(options.rateBytesPerSec, '')],
    ['--connection-rate', each(options.connectionRateBytesPerSec, '')],
    ['--queue', queueBytes?.toString()],
    ...faults.map(
      ({ kind, direction, atByte }) => [`--${kind}`, `${direction},${atByte}`] as [string, string],
    ),
  ];
  const switches = isWarm ? ['--until-input-ends', '--warm-up'] : ['--until-input-ends'];
  return [...switches, ...given.flatMap(([flag, value]) => (value === undefined ? [] : [flag, value]))];
}

function each(value: EachWay<number> | undefined, unit: string): string | undefined {
  return value === undefined ? undefined : writeEachWay(value, unit);
}
