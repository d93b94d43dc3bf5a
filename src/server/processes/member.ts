/**
 * One process of a server, as the primary sees it:
 *
 *   starting ──ready──▶ serving ──stop──▶ leaving ──exit──▶ gone
 *       └──failed, exit─────┴──────exit──────────────────────▲
 */
import cluster, { type Worker } from 'node:cluster';
import type { CounterValues } from '../../base/counters/counters.ts';
import { TransferError } from '../../base/errors.ts';
import type { Config } from '../../config/schema.ts';
import type { LockOwner } from './lock-table.ts';
import type { FromProcess, ToProcess } from './messages.ts';

export type MemberState = 'starting' | 'serving' | 'leaving' | 'gone';

export class Member implements LockOwner {
  readonly number: number;
  /** Resolves with the address; rejects when it could not start. */
  readonly ready: Promise<string>;
  /** Resolves with how it ended, such as `exit code 1` or `SIGKILL`, and what it was before. Never rejects. */
  readonly ended: Promise<{ readonly how: string; readonly was: MemberState }>;
  /** What it has counted, as far as it has told. */
  counters: CounterValues | null = null;
  state: MemberState = 'starting';
  readonly #worker: Worker;
  #killTimer: NodeJS.Timeout | undefined;

  /** Starts it. `onMessage` gets what it does not understand itself. */
  constructor(config: Config, number: number, onMessage: (member: Member, message: FromProcess) => void) {
    this.number = number;
    const worker = cluster.fork();
    this.#worker = worker;
    worker.on('error', () => {});
    this.ended = new Promise((resolve) => {
      worker.once('exit', (code, signal) => {
        clearTimeout(this.#killTimer);
        const was = this.state;
        this.state = 'gone';
        resolve({ how: signal ?? `exit code ${code}`, was });
      });
    });
    this.ready = new Promise((resolve, reject) => {
      worker.on('message', (message: FromProcess) => {
        switch (message.kind) {
          case 'hello':
            this.tell({ kind: 'start', config, number });
            break;
          case 'ready':
            if (this.state === 'starting') this.state = 'serving';
            resolve(message.address);
            break;
          case 'failed':
            reject(new TransferError(message.code, message.message));
            break;
          case 'ended':
            this.counters = message.counters;
            break;
          default:
            onMessage(this, message);
        }
      });
      void this.ended.then(({ how }) => {
        reject(new TransferError('INTERNAL', `a process of the server ended before it served (${how})`));
      });
    });
    this.ready.catch(() => {});
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  /** To one that is gone: dropped. */
  tell(message: ToProcess): void {
    if (this.#worker.isConnected()) this.#worker.send(message, () => {});
  }

  /** Ends it after its transfers; resolves when it is gone, at the latest after `withinMs`, by force. */
  async stop(isReplaced: boolean, withinMs: number): Promise<void> {
    if (this.state === 'gone') return;
    const hasClients = this.state !== 'starting';
    this.state = 'leaving';
    this.tell({ kind: 'stop', isReplaced });
    this.#killTimer ??= setTimeout(() => this.#worker.process.kill('SIGKILL'), hasClients ? withinMs : 0);
    await this.ended;
  }
}
