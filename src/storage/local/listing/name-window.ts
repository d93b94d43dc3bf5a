/**
 * Names of one directory in sorted order, in bounded memory: when not all fit, it
 * keeps the first ones and says so.
 *
 * Names come in batches. Each is sorted by itself and packed into one buffer,
 * because a packed name takes a third of the memory of a string; all are merged
 * when they are read. Nothing here holds the event loop for longer than
 * sorting one batch.
 *
 *   run   [length u16be | bytes]…   ascending
 */
import { setImmediate as turnOfEventLoop } from 'node:timers/promises';

const LENGTH_BYTES = 2;

/** Names merged between two turns of the event loop. */
const MERGE_SLICE = 1024;

export class NameWindow {
  readonly #limitBytes: number;
  #runs: Run[] = [];
  #bytes = 0;
  #last: string | undefined;

  /** Keeps as many names as fit `limitBytes`, and one at least. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The last name that is kept, when some behind it were dropped. */
  get cutAfter(): string | undefined {
    return this.#last;
  }

  /** Takes over `names`, each a string of bytes (Latin-1). */
  async add(names: string[]): Promise<void> {
    const last = this.#last;
    const kept = last === undefined ? names : names.filter((name) => name <= last);
    if (kept.length === 0) return;
    // A full window would drop the others at once; packing them first makes a hundred times its size in garbage.
    const run = new Run(firstBeyond(kept.sort(), this.#limitBytes));
    this.#runs.push(run);
    this.#bytes += run.bytes;
    // Half of it, so that cutting costs no more than filling it again.
    if (this.#bytes > this.#limitBytes) await this.#cut(this.#limitBytes / 2);
  }

  /** All names, ascending; each is freed as it is read. */
  *drain(): Generator<string, void, undefined> {
    const heap = new RunHeap(this.#runs);
    for (let name = heap.shift(); name !== undefined; name = heap.shift()) yield name;
  }

  async #cut(limitBytes: number): Promise<void> {
    const first: string[] = [];
    const runs: Run[] = [];
    let bytes = 0;
    for (const name of this.drain()) {
      bytes += LENGTH_BYTES + name.length;
      if (bytes > limitBytes && first.length + runs.length > 0) break;
      this.#last = name;
      first.push(name);
      if (first.length < MERGE_SLICE) continue;
      runs.push(new Run(first.splice(0)));
      await turnOfEventLoop();
    }
    if (first.length > 0) runs.push(new Run(first));
    this.#runs = runs;
    this.#bytes = runs.reduce((sum, run) => sum + run.bytes, 0);
  }
}

/** The first `names` up to the one that exceeds `limitBytes`, which `#cut` drops. */
function firstBeyond(names: string[], limitBytes: number): string[] {
  let bytes = 0;
  const end = names.findIndex((name) => {
    bytes += LENGTH_BYTES + name.length;
    return bytes > limitBytes;
  });
  return end < 0 ? names : names.slice(0, end + 1);
}

/** Packed names, and the first of them that was not taken. */
class Run {
  readonly #packed: Buffer;
  #position = 0;
  head: string | undefined;

  /** `names` are ascending. */
  constructor(names: readonly string[]) {
    let bytes = 0;
    for (const name of names) bytes += LENGTH_BYTES + name.length;
    this.#packed = Buffer.allocUnsafeSlow(bytes);
    let position = 0;
    for (const name of names) {
      position = this.#packed.writeUInt16BE(name.length, position);
      position += this.#packed.write(name, position, 'latin1');
    }
    this.advance();
  }

  get bytes(): number {
    return this.#packed.length;
  }

  advance(): void {
    if (this.#position === this.#packed.length) {
      this.head = undefined;
      return;
    }
    const start = this.#position + LENGTH_BYTES;
    this.#position = start + this.#packed.readUInt16BE(this.#position);
    this.head = this.#packed.toString('latin1', start, this.#position);
  }
}

/** The runs by their heads, as a binary heap. */
class RunHeap {
  readonly #runs: Run[];

  /** Takes over `runs`. */
  constructor(runs: Run[]) {
    this.#runs = runs;
    for (let index = (runs.length >> 1) - 1; index >= 0; index -= 1) this.#sink(index);
  }

  /** The smallest head, which its run goes on from. */
  shift(): string | undefined {
    const [run] = this.#runs;
    const name = run?.head;
    if (run === undefined || name === undefined) return undefined;
    run.advance();
    if (run.head === undefined) {
      const last = this.#runs.pop() as Run;
      if (last !== run) this.#runs[0] = last;
    }
    this.#sink(0);
    return name;
  }

  #sink(from: number): void {
    const runs = this.#runs;
    for (let index = from; ; ) {
      const left = 2 * index + 1;
      if (left >= runs.length) return;
      const child = left + 1 < runs.length && headOf(runs, left + 1) < headOf(runs, left) ? left + 1 : left;
      if (headOf(runs, index) <= headOf(runs, child)) return;
      [runs[index], runs[child]] = [runs[child] as Run, runs[index] as Run];
      index = child;
    }
  }
}

function headOf(runs: readonly Run[], index: number): string {
  return runs[index]?.head as string;
}
