/** What a tree has and is not moved or removed: counted by reason, the first few by name. */
import type { OmissionReason } from '../../../wire/messages.ts';

/** More names of one kind are only counted. */
const MAX_NAMES = 10;

/** Names come from a server, which may send long ones. */
const MAX_NAME_CHARACTERS = 300;

/** In the order of reports. */
const REASONS: readonly OmissionReason[] = [
  'OMISSION_SYMBOLIC_LINK',
  'OMISSION_SPECIAL_FILE',
  'OMISSION_UNREADABLE',
  'OMISSION_BAD_NAME',
  'OMISSION_TOO_DEEP',
  'OMISSION_OTHER_FILE_SYSTEM',
  'OMISSION_UNSPECIFIED',
];

export interface LeftOutKind {
  readonly reason: OmissionReason;
  readonly count: number;
  /** The first of them. */
  readonly names: readonly string[];
}

export class LeftOut {
  readonly #kinds = new Map<OmissionReason, { count: number; names: string[] }>();

  add(name: string, reason: OmissionReason): void {
    const known = REASONS.includes(reason) ? reason : 'OMISSION_UNSPECIFIED';
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

  get kinds(): readonly LeftOutKind[] {
    return REASONS.flatMap((reason) => {
      const kind = this.#kinds.get(reason);
      return kind === undefined ? [] : [{ reason, ...kind }];
    });
  }

  /** By the names of the contract without their prefix. */
  toJSON(): Record<string, Omit<LeftOutKind, 'reason'>> {
    return Object.fromEntries(
      this.kinds.map(({ reason, ...kind }) => [reason.replace('OMISSION_', ''), kind] as const),
    );
  }
}
