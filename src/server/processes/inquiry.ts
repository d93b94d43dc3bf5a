/** Questions that one process has for all of them: the primary hands them on, and the answers back. */
import type { Answers, Question } from '../../admin/processes.ts';
import type { CounterValues } from '../../base/counters/counters.ts';
import type { Member } from './member.ts';

/** A process that is busy for so long is left out. */
const ANSWER_TIMEOUT_MS = 3_000;

interface Inquiry {
  readonly question: Question;
  readonly waitingFor: Set<Member>;
  readonly answers: Map<Member, Answers[keyof Answers]>;
  readonly done: () => void;
}

export class Inquiries {
  readonly #open = new Map<number, Inquiry>();
  #lastTicket = 0;

  /**
   * Asks `members` and tells `asker`.
   *
   * @param gone what processes that are gone have counted, when all have answered
   */
  ask(
    asker: Member,
    askedTicket: number,
    question: Question,
    members: readonly Member[],
    gone: () => CounterValues | null,
  ): void {
    this.#lastTicket += 1;
    const ticket = this.#lastTicket;
    const timer = setTimeout(() => this.#open.get(ticket)?.done(), ANSWER_TIMEOUT_MS);
    const answers = new Map<Member, Answers[keyof Answers]>();
    const done = () => {
      clearTimeout(timer);
      this.#open.delete(ticket);
      asker.tell({ kind: 'answers', ticket: askedTicket, answers: [...answers.values()], gone: gone() });
    };
    this.#open.set(ticket, { question, waitingFor: new Set(members), answers, done });
    for (const member of members) member.tell({ kind: 'question', ticket, question });
  }

  answer(member: Member, ticket: number, answer: Answers[keyof Answers]): void {
    const inquiry = this.#open.get(ticket);
    if (inquiry === undefined || !inquiry.waitingFor.delete(member)) return;
    inquiry.answers.set(member, answer);
    if (inquiry.question.kind === 'metrics') member.counters = (answer as Answers['metrics']).counters;
    if (inquiry.waitingFor.size === 0) inquiry.done();
  }

  /** It answers nothing any more, and what it has answered counts as that of one that is gone. */
  gone(member: Member): void {
    for (const inquiry of this.#open.values()) {
      inquiry.answers.delete(member);
      if (inquiry.waitingFor.delete(member) && inquiry.waitingFor.size === 0) inquiry.done();
    }
  }
}
