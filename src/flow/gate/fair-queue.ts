/**
 * Begins the streams of all sessions in round robin: in each turn of the event
 * loop a few of each session at once, then a bounded number of the waiting ones.
 * A read of 64 KiB can hold hundreds of calls, and libuv reads up to 2 MiB of a
 * socket in one turn; other sessions would wait for them all.
 *
 * Invariant: a session whose streams wait, or that rests, is not read, so what
 * waits is at most what came with one read of each.
 */
import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';

/** Streams of one session that begin in one turn of the event loop without waiting. */
const AT_ONCE = 16;

/** Waiting streams of all sessions that begin in one turn: about 10 ms of the smallest calls. */
const MAX_PER_TURN = 48;

/** The private handle of a socket; where it lacks these methods, sessions are never paused. */
interface ReadHandle {
  readStart?(): void;
  readStop?(): void;
}

export interface SessionStreams {
  /** Calls `begin`, which begins a stream, in this turn or a later one. */
  begin(begin: () => void): void;
  /** Nothing more of the session is read before its next turn. */
  rest(): void;
  /** Begins and reads nothing more of the session. */
  drop(): void;
}

export class FairQueue {
  /** Sessions with streams in this turn, or that wait. */
  readonly #active = new Set<SessionQueue>();
  #isScheduled = false;

  /** The queue of a session. */
  of(session: ServerHttp2Session, socket: Socket): SessionStreams {
    const { _handle: handle } = socket as unknown as { _handle?: ReadHandle | null };
    const queue = new SessionQueue(session, handle ?? {});
    return {
      begin: (begin) => {
        queue.add(begin);
        this.#activate(queue);
      },
      rest: () => {
        queue.rest();
        this.#activate(queue);
      },
      drop: () => queue.drop(),
    };
  }

  #activate(queue: SessionQueue): void {
    this.#active.add(queue);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#nextTurn());
  }

  #nextTurn(): void {
    const share = Math.max(1, Math.floor(MAX_PER_TURN / this.#active.size));
    let left = MAX_PER_TURN;
    let queues = this.#active.size;
    // A session that returns during the loop goes behind the others, to a later turn.
    for (const queue of this.#active) {
      this.#active.delete(queue);
      left -= queue.begin(Math.min(share, left));
      if (queue.isWaiting) this.#active.add(queue);
      queues -= 1;
      if (left === 0 || queues === 0) break;
    }
    this.#isScheduled = this.#active.size > 0;
    if (this.#isScheduled) setImmediate(() => this.#nextTurn());
  }
}

class SessionQueue {
  readonly #session: ServerHttp2Session;
  readonly #handle: ReadHandle;
  #waiting: (() => void)[] = [];
  #next = 0;
  /** Streams begun in this turn. */
  #begun = 0;
  #isStopped = false;
  /** Not read before the next turn. */
  #isResting = false;
  #isDropped = false;

  constructor(session: ServerHttp2Session, handle: ReadHandle) {
    this.#session = session;
    this.#handle = handle;
  }

  get isWaiting(): boolean {
    return this.#next < this.#waiting.length;
  }

  add(begin: () => void): void {
    if (this.#isDropped) return;
    if (this.#begun < AT_ONCE && !this.isWaiting) {
      this.#begun += 1;
      begin();
      return;
    }
    this.#waiting.push(begin);
    this.#stopReading();
  }

  rest(): void {
    this.#isResting = true;
    this.#stopReading();
  }

  drop(): void {
    this.#stopReading();
    this.#isDropped = true;
    this.#waiting = [];
    this.#next = 0;
  }

  #stopReading(): void {
    if (this.#isStopped || this.#session.destroyed) return;
    this.#isStopped = true;
    this.#handle.readStop?.();
  }

  /** Begins at most `most` of those that wait, and reads on behind the last; returns how many. */
  begin(most: number): number {
    this.#begun = 0;
    this.#isResting = false;
    const end = this.#session.destroyed
      ? this.#waiting.length
      : Math.min(this.#waiting.length, this.#next + most);
    const count = end - this.#next;
    while (this.#next < end) this.#waiting[this.#next++]?.();
    if (this.isWaiting) return count;
    this.#waiting = [];
    this.#next = 0;
    if (this.#isResting || this.#isDropped) return count;
    if (this.#isStopped && !this.#session.destroyed) this.#handle.readStart?.();
    this.#isStopped = false;
    return this.#session.destroyed ? 0 : count;
  }
}
