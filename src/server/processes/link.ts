/**
 * A process of a server with several: its end of the channel to the primary. Locks
 * and questions of operators go through here. Without the primary the process ends
 * at once: another server may begin to write to the directory.
 */
import type { Answers, Processes, Question } from '../../admin/processes.ts';
import type { CounterValues } from '../../base/counters/counters.ts';
import type { Config } from '../../config/schema.ts';
import type { ProcessLocks, Release } from '../../storage/process-locks.ts';
import type { FromProcess, Hold, ToProcess } from './messages.ts';

/** Answers what operators ask through another process. */
export type Answer = (question: Question) => Promise<Answers[keyof Answers]>;

export class PrimaryLink {
  /** Of the whole server, in force now. */
  whole: Config;
  readonly #number: number;
  #lastTicket = 0;
  #gone: CounterValues | null = null;
  #answer: Answer | undefined;
  readonly #holding = new Map<number, (isHeld: boolean) => void>();
  readonly #asking = new Map<number, (answers: readonly Answers[keyof Answers][]) => void>();
  /** By the id of the upload. */
  readonly #recalls = new Map<string, () => void>();

  constructor(number: number, whole: Config) {
    this.#number = number;
    this.whole = whole;
    process.on('message', (message: ToProcess) => this.#take(message));
  }

  tell(message: FromProcess): void {
    process.send?.(message, undefined, undefined, () => {});
  }

  /** Who answers questions from now on. */
  answerWith(answer: Answer): void {
    this.#answer = answer;
  }

  get locks(): ProcessLocks {
    return {
      number: this.#number,
      names: {
        run: (key, work) => this.#held([key], work),
        runAll: (keys, work) => this.#held([...new Set(keys)], work),
      },
      lease: async (id, onRecall) => {
        const ticket = await this.#hold('lease', [id]);
        this.#recalls.set(id, onRecall);
        return this.#release(ticket as number, id);
      },
      tryLease: async (id) => {
        const ticket = await this.#hold('tryLease', [id]);
        return ticket === null ? null : this.#release(ticket);
      },
    };
  }

  get processes(): Processes {
    return {
      name: String(this.#number),
      gone: () => this.#gone,
      ask: async <Kind extends keyof Answers>(question: Question & { kind: Kind }) => {
        const ticket = this.#nextTicket();
        return await new Promise<Answers[Kind][]>((resolve) => {
          this.#asking.set(ticket, resolve as never);
          this.tell({ kind: 'ask', ticket, question });
        });
      },
    };
  }

  async #held<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const ticket = await this.#hold('names', keys);
    try {
      return await work();
    } finally {
      this.tell({ kind: 'release', ticket: ticket as number });
    }
  }

  /** null: it cannot be had now. */
  async #hold(how: Hold, keys: readonly string[]): Promise<number | null> {
    const ticket = this.#nextTicket();
    const isHeld = await new Promise<boolean>((resolve) => {
      this.#holding.set(ticket, resolve);
      this.tell({ kind: 'hold', ticket, how, keys });
    });
    return isHeld ? ticket : null;
  }

  #release(ticket: number, id?: string): Release {
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      if (id !== undefined) this.#recalls.delete(id);
      this.tell({ kind: 'release', ticket });
    };
  }

  #nextTicket(): number {
    this.#lastTicket += 1;
    return this.#lastTicket;
  }

  #take(message: ToProcess): void {
    switch (message.kind) {
      case 'held':
      case 'notHeld':
        this.#holding.get(message.ticket)?.(message.kind === 'held');
        this.#holding.delete(message.ticket);
        break;
      case 'recall':
        // Behind the lease itself, whose waiter runs first.
        setImmediate(() => this.#recalls.get(message.id)?.());
        break;
      case 'question':
        void this.#reply(message.ticket, message.question);
        break;
      case 'answers':
        this.#gone = message.gone;
        this.#asking.get(message.ticket)?.(message.answers);
        this.#asking.delete(message.ticket);
        break;
      // How the process begins and ends is the business of whoever runs it.
      default:
        break;
    }
  }

  async #reply(ticket: number, question: Question): Promise<void> {
    const answer = await this.#answer?.(question).catch(() => undefined);
    if (answer !== undefined) this.tell({ kind: 'answer', ticket, answer });
  }
}
