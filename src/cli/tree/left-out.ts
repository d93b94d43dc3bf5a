/** What a tree has and a batch did not take: counted by reason, the first few by name. */
import type { OmissionReason } from '../../wire/messages.ts';
import { printable } from '../process/output.ts';

/** More names of one kind are only counted. */
const MAX_NAMES = 10;

/** Names come from a server, which may send long ones. */
const MAX_NAME_CHARACTERS = 300;

/** In the order of the report. */
const WORDS: readonly (readonly [OmissionReason, string])[] = [
  ['OMISSION_SYMBOLIC_LINK', 'symbolic links'],
  ['OMISSION_SPECIAL_FILE', 'special files'],
  ['OMISSION_UNREADABLE', 'unreadable'],
  ['OMISSION_BAD_NAME', 'names that cannot be sent (not UTF-8, control characters, a backslash, too long)'],
  ['OMISSION_TOO_DEEP', 'below too many directories'],
  ['OMISSION_OTHER_FILE_SYSTEM', 'on another file system'],
  ['OMISSION_UNSPECIFIED', 'for another reason'],
];

export interface LeftOutKind {
  count: number;
  /** The first of them. */
  names: string[];
}

export class LeftOut {
  readonly #kinds = new Map<OmissionReason, LeftOutKind>();

  add(name: string, reason: OmissionReason): void {
    const known = WORDS.some(([each]) => each === reason) ? reason : 'OMISSION_UNSPECIFIED';
    const kind = this.#kinds.get(known) ?? { count: 0, names: [] };
    kind.count += 1;
    if (kind.names.length < MAX_NAMES) kind.names.push(name.slice(0, MAX_NAME_CHARACTERS));
    this.#kinds.set(known, kind);
  }

  get count(): number {
    let count = 0;
    for (const kind of this.#kinds.values()) count += kind.count;
    return count;
  }

  /** A line for each kind: `left out, symbolic links: 12 (a, b, …)`. */
  *lines(): Generator<string, void, undefined> {
    for (const [reason, words] of WORDS) {
      const kind = this.#kinds.get(reason);
      if (kind === undefined) continue;
      const more = kind.count > kind.names.length ? ', …' : '';
      yield `left out, ${words}: ${kind.count} (${kind.names.map(printable).join(', ')}${more})`;
    }
  }

  /** `2 symbolic links, 1 unreadable`, for one sentence. */
  get summary(): string {
    return WORDS.flatMap(([reason, words]) => {
      const kind = this.#kinds.get(reason);
      return kind === undefined ? [] : [`${words}: ${kind.count}`];
    }).join('; ');
  }

  /** For JSON, by the names of the contract without their prefix. */
  toJSON(): Record<string, LeftOutKind> {
    const entries = [...this.#kinds].map(
      ([reason, kind]) => [reason.replace('OMISSION_', ''), kind] as const,
    );
    return Object.fromEntries(entries);
  }
}
