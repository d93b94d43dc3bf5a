/** `sluice serve --processes N` as it is run: a primary and its processes, and how to look at each of them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { openDescriptors } from '../../support/scratch.ts';
import { SluiceProcess } from '../../support/sluice-process.ts';
import { until } from '../../support/until.ts';

export interface SeveralOptions {
  readonly root: string;
  /** Default: 2. */
  readonly processes?: number;
  /** Beside those that make it small. */
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
}

/** Small, and on a port of its own, as the listener for operators is. */
const SMALL = [
  '--listen',
  '127.0.0.1:0',
  '--admin-listen',
  '127.0.0.1:0',
  '--pool-threads',
  '2',
  '--slab-count',
  '32',
];

export class SeveralProcesses {
  readonly primary: SluiceProcess;
  readonly count: number;
  /** Of the first processes. */
  #first: readonly number[] = [];
  address = '';
  /** Of the listener for operators. */
  adminAddress = '';

  private constructor(primary: SluiceProcess, count: number) {
    this.primary = primary;
    this.count = count;
  }

  static async start(t: TestContext, options: SeveralOptions): Promise<SeveralProcesses> {
    const { args = [], env = {}, processes = 2, root } = options;
    const all = ['serve', root, '--json', ...SMALL, '--processes', String(processes), ...args];
    const server = new SeveralProcesses(new SluiceProcess(t, all, { env }), processes);
    const [line] = await server.primary.says(/^\{"event":"ready".*\}\n/);
    const ready = JSON.parse(line) as { address: string; processes: number };
    assert.equal(ready.processes, processes);
    server.address = ready.address;
    server.#first = server.pids();
    const [, admin = ''] = await server.primary.says(
      /"address":"([^"]+)","msg":"metrics and probes are served"/,
    );
    server.adminAddress = admin;
    return server;
  }

  /** The processes, by their ids, in no order; a new one may not serve yet. */
  pids(): number[] {
    const { pid } = this.primary;
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.trim().split(' ').filter(Boolean).map(Number);
  }

  #serves(pid: number): boolean {
    return (
      this.#first.includes(pid) ||
      new RegExp(`"process":${pid},.*"msg":"a new process serves"`).test(this.primary.stderr)
    );
  }

  /** How many sockets a process has open. */
  sockets(pid: number): number {
    return openDescriptors(pid).filter((target) => target.startsWith('socket:')).length;
  }

  /** Resolves once there are as many processes as there should be, none of them in `gone`, and all of them serve. */
  async replaced(gone: readonly number[]): Promise<void> {
    await until(
      'the processes are replaced',
      () => {
        const pids = this.pids();
        return pids.length === this.count && pids.every((pid) => !gone.includes(pid) && this.#serves(pid));
      },
      { state: () => this.pids() },
    );
  }

  /** Resolves once uploads have received so many bytes. */
  async received(bytes: number): Promise<void> {
    while ((await this.metric('sluice_received_bytes_total', 'form="raw"')) < bytes);
  }

  /** The value of a metric, all of its cells with these labels added up. */
  async metric(name: string, labels = ''): Promise<number> {
    const text = await (await fetch(`http://${this.adminAddress}/metrics`)).text();
    let sum = 0;
    for (const line of text.split('\n')) {
      if (line.startsWith('#') || !line.includes(labels)) continue;
      const [, metric, value] = /^([a-z_]+)(?:\{.*\})? (\S+)$/.exec(line) ?? [];
      if (metric === name) sum += Number(value);
    }
    return sum;
  }
}
