/**
 * A TCP link with a delay, a rate and faults, between a client and a target:
 * the emulator in the process of its caller. What is tested should not share
 * an event loop with it: see `link-process.ts`.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { MIB } from '../src/base/units.ts';
import { type Clock, systemClock } from './clock.ts';
import { Connection, DIRECTIONS, type DirectedFault, type Direction, type Endpoint } from './connection.ts';
import { Line, type LineSettings } from './line.ts';
import { describeEachWay, formatRate } from './notation.ts';

/** One value for both directions, or one for each that differs from the default. */
export type EachWay<T> = T | Partial<Record<Direction, T>>;

export type LinkSettings = { [Key in keyof LineSettings]?: EachWay<LineSettings[Key]> };

export interface LinkOptions extends LinkSettings {
  /** Several: each connection goes to the next one. */
  target: Endpoint | readonly Endpoint[];
  /** Default: a free port of the loopback. */
  listen?: Endpoint;
  /** What one direction of a connection may have waiting before its source is not read. Default 1 MiB. */
  queueBytes?: number;
  /** What befalls every connection. */
  faults?: readonly DirectedFault[];
  clock?: Clock;
}

export interface LinkStats {
  /** Now. */
  connections: number;
  /** Bytes that have arrived since the start. */
  upBytes: number;
  downBytes: number;
  /** Bytes that wait: for the rate, for the end of a stall, for a socket to take them. */
  waitingBytes: number;
}

const IDEAL: LineSettings = {
  delayMs: 0,
  jitterMs: 0,
  rateBytesPerSec: Number.POSITIVE_INFINITY,
  connectionRateBytesPerSec: Number.POSITIVE_INFINITY,
};

const DEFAULT_QUEUE_BYTES = MIB;

/** Starts a link; resolves once it accepts connections. */
export async function startLink(options: LinkOptions): Promise<Link> {
  const link = new Link(options);
  await link.listen(options.listen ?? { host: '127.0.0.1', port: 0 });
  return link;
}

export class Link {
  readonly #clock: Clock;
  readonly #lines: Readonly<Record<Direction, Line>>;
  readonly #connections = new Set<Connection>();
  readonly #nextFaults: DirectedFault[] = [];
  readonly #passedBytes = { up: 0, down: 0 };
  readonly #server: Server;

  constructor(options: LinkOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#lines = {
      up: new Line({ ...IDEAL, ...settingsOf(options, 'up') }, this.#clock),
      down: new Line({ ...IDEAL, ...settingsOf(options, 'down') }, this.#clock),
    };
    const targets = [options.target].flat();
    let accepted = 0;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (client) => {
      const connection: Connection = new Connection({
        client,
        target: targets[accepted++ % targets.length] as Endpoint,
        lines: this.#lines,
        queueBytes: options.queueBytes ?? DEFAULT_QUEUE_BYTES,
        faults: [...(options.faults ?? []), ...this.#nextFaults.splice(0, 1)],
        clock: this.#clock,
        onClose: () => this.#closed(connection),
      });
      this.#connections.add(connection);
    });
  }

  async listen({ host, port }: Endpoint): Promise<void> {
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** `host:port` for a client. */
  get address(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
  }

  /** From now on; what is on its way keeps its delay. */
  change(settings: LinkSettings): void {
    for (const direction of DIRECTIONS) this.#lines[direction].change(settingsOf(settings, direction));
  }

  /** Breaks all connections there are; later ones get through. */
  cut(): void {
    for (const connection of this.#connections) connection.cut();
  }

  /** Moves nothing any more, in one direction or in both; connections stay open. */
  stall(...directions: Direction[]): void {
    for (const direction of directions.length > 0 ? directions : DIRECTIONS) this.#lines[direction].stall();
  }

  /** Ends all stalls, also those of faults. */
  go(): void {
    for (const direction of DIRECTIONS) this.#lines[direction].go();
    for (const connection of this.#connections) connection.takeMore();
  }

  /** What befalls the next connection; several calls: the ones after it. */
  failNext(fault: DirectedFault): void {
    this.#nextFaults.push(fault);
  }

  /** How both directions behave now, for people. */
  describe(): string {
    const up = this.#lines.up.settings;
    const down = this.#lines.down.settings;
    const ms = (value: number) => `${value}ms`;
    return [
      `delay ${describeEachWay(up.delayMs, down.delayMs, ms)}`,
      `jitter ${describeEachWay(up.jitterMs, down.jitterMs, ms)}`,
      `rate ${describeEachWay(up.rateBytesPerSec, down.rateBytesPerSec, formatRate)}`,
      `of a connection ${describeEachWay(up.connectionRateBytesPerSec, down.connectionRateBytesPerSec, formatRate)}`,
    ].join('; ');
  }

  stats(): LinkStats {
    const { up, down } = this.#passedBytes;
    const stats = { connections: this.#connections.size, upBytes: up, downBytes: down, waitingBytes: 0 };
    for (const connection of this.#connections) {
      stats.upBytes += connection.passedBytes('up');
      stats.downBytes += connection.passedBytes('down');
      stats.waitingBytes += connection.waitingBytes;
    }
    return stats;
  }

  /** Breaks all connections and accepts no more; safe to call twice. */
  close(): void {
    if (this.#server.listening) this.#server.close();
    this.cut();
  }

  #closed(connection: Connection): void {
    this.#connections.delete(connection);
    for (const direction of DIRECTIONS) this.#passedBytes[direction] += connection.passedBytes(direction);
  }
}

const SETTINGS = ['delayMs', 'jitterMs', 'rateBytesPerSec', 'connectionRateBytesPerSec'] as const;

/** What is set for one direction. */
function settingsOf(settings: LinkSettings, direction: Direction): Partial<LineSettings> {
  const chosen: Partial<LineSettings> = {};
  for (const key of SETTINGS) {
    const value = settings[key];
    const own = typeof value === 'object' ? value[direction] : value;
    if (own !== undefined) chosen[key] = own;
  }
  return chosen;
}
