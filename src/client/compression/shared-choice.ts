/**
 * The choice of codings that all connections of an upload share. Compressing on
 * one takes processors from the others, so no connection can judge by itself;
 * but a choice follows one sequence of writes and pings. So it judges by the
 * writes of the first connection. While that one measures the link for the first
 * time, the others wait for a moment: compressing would take the processors that
 * the measurement needs.
 */
import type { ChoiceSummary, CodecChoice } from '../../compression/codec-choice.ts';

/** A link without an echo in this time is slow or far, and one connection may not fill it. */
const LOOK_MS = 100;

export class SharedChoice<Member> {
  readonly #make: () => CodecChoice | undefined;
  /** The connections, in the order in which they joined; the first one leads. */
  readonly #members: Member[] = [];
  readonly #choices: CodecChoice[] = [];
  #current: CodecChoice | undefined;
  #looked: Promise<void> | undefined;
  #endLook = () => {};

  /** @param make begins a choice; undefined when there is nothing to choose */
  constructor(make: () => CodecChoice | undefined) {
    this.#make = make;
  }

  get current(): CodecChoice | undefined {
    return this.#current;
  }

  /** Connections that there are now. */
  get memberCount(): number {
    return this.#members.length;
  }

  /** A connection begins. A single one learns anew: findings about another do not hold for it. */
  join(member: Member): void {
    this.#members.push(member);
    if (this.#members.length === 1) this.renew();
  }

  /** A connection is over. Safe to call twice. */
  leave(member: Member): void {
    const at = this.#members.indexOf(member);
    if (at < 0) return;
    this.#members.splice(at, 1);
    // The next one leads from its next write on.
    if (at !== 0) return;
    this.#current?.link.resumed(performance.now());
    this.lookedAtLink();
  }

  /** Whether the choice judges by what this connection writes. */
  isLedBy(member: Member): boolean {
    return this.#members[0] === member;
  }

  /** Resolves once the first connection has seen whether the link has spare capacity, and after a moment in any event. */
  async look(): Promise<void> {
    this.#looked ??= new Promise((resolve) => {
      const timer = setTimeout(resolve, LOOK_MS);
      this.#endLook = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    await this.#looked;
  }

  /** Ends the present look: the first connection has seen the link, or never will. */
  lookedAtLink(): void {
    this.#endLook();
    this.#looked = undefined;
  }

  /** Begins again, with other codings. */
  renew(): void {
    this.lookedAtLink();
    this.#current = this.#make();
    if (this.#current !== undefined) this.#choices.push(this.#current);
  }

  /** How the bytes were coded and why; undefined when there was nothing to choose. */
  summary(): ChoiceSummary | undefined {
    const [first, ...others] = this.#choices.map((choice) => choice.summary());
    return first === undefined ? undefined : others.reduce(joined, first);
  }
}

/** Adds up two summaries, with the later reason. */
function joined(one: ChoiceSummary, later: ChoiceSummary): ChoiceSummary {
  const bytes: Record<string, number> = { ...one.bytes };
  for (const [coding, count] of Object.entries(later.bytes)) bytes[coding] = (bytes[coding] ?? 0) + count;
  const [a, b] = [compressedBytes(one), compressedBytes(later)];
  return {
    bytes,
    switches: one.switches + later.switches,
    ratio: a + b === 0 ? 0 : (one.ratio * a + later.ratio * b) / (a + b),
    reason: later.reason,
  };
}

function compressedBytes({ bytes }: ChoiceSummary): number {
  const sum = Object.values(bytes).reduce((total, count) => total + count, 0);
  return sum - (bytes.identity ?? 0);
}
