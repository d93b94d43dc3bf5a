/**
 * What identities may do, by the rules of an access file. Rules only allow; what
 * none allows is denied. Patterns are compiled once for each identity.
 */
import { parsePrefix } from '../storage/name.ts';
import { type AccessRule, type AccessRules, AUTHENTICATED, EVERYONE, groupIn } from './access-schema.ts';
import type { Identity } from './identity.ts';
import { type AppliedLimit, NO_LIMITS, type OwnerLimits } from './limits.ts';
import { Pattern } from './pattern.ts';
import { isPathRight, type PathRight, type Right, type ServerRight } from './rights.ts';

/** Decides about one identity and one thing. */
export interface Policy {
  /** @param name by its components; none: the root */
  may(identity: Identity, right: PathRight, name: readonly string[]): boolean;
  /** Whether the identity may list something at or below `name`, as far as the rules show. */
  mayLook(identity: Identity, name: readonly string[]): boolean;
  mayServer(identity: Identity, right: ServerRight): boolean;
  /**
   * What its caller may use at the same time; absent: there are no limits.
   *
   * @param owner what the caller is counted by
   */
  limitsOf?(identity: Identity, owner: string): OwnerLimits;
}

/** Why something is allowed; null where it is not. */
export interface Grant {
  /** Counted from 0, in the order of the file. */
  readonly rule: number;
  /** The word of `who` that meant the identity. */
  readonly who: string;
  /** Of a name. */
  readonly pattern: string | undefined;
}

/** A rule that means the identity. */
interface OwnRule {
  readonly index: number;
  readonly who: string;
  readonly may: AccessRule['may'];
  readonly patterns: readonly Pattern[];
}

export class FilePolicy implements Policy {
  readonly #rules: AccessRules;
  readonly #groupsOf = new Map<string, string[]>();
  readonly #known = new WeakMap<Identity, readonly OwnRule[]>();

  constructor(rules: AccessRules) {
    this.#rules = rules;
    for (const [group, members] of Object.entries(rules.groups)) {
      for (const member of members) {
        const groups = this.#groupsOf.get(member);
        if (groups === undefined) this.#groupsOf.set(member, [group]);
        else groups.push(group);
      }
    }
  }

  /** Some rule means those who have not said who they are. */
  get admitsAnonymous(): boolean {
    return this.#rules.rules.some(({ who }) => who.includes(EVERYONE));
  }

  may(identity: Identity, right: PathRight, name: readonly string[]): boolean {
    return this.grantOf(identity, right, name) !== null;
  }

  mayLook(identity: Identity, name: readonly string[]): boolean {
    return this.#rulesOf(identity).some(
      ({ may, patterns }) => may.includes('list') && patterns.some((pattern) => pattern.leadsThrough(name)),
    );
  }

  mayServer(identity: Identity, right: ServerRight): boolean {
    return this.grantOf(identity, right, []) !== null;
  }

  limitsOf(identity: Identity, owner: string): OwnerLimits {
    const groups = this.groupsOf(identity);
    const own = this.#rules.limits.filter(({ who }) => who.some((word) => isMeant(word, identity, groups)));
    if (own.length === 0) return NO_LIMITS;
    const limits = own.flatMap(({ each, together, who }): AppliedLimit[] => {
      const all = who.join(', ');
      return [
        ...(each ? [{ key: `${all} each ${owner}`, who: owner, ...amountsOf(each) }] : []),
        ...(together ? [{ key: all, who: `${all} together`, ...amountsOf(together) }] : []),
      ];
    });
    return { weight: own.find(({ weight }) => weight !== undefined)?.weight ?? 1, limits };
  }

  /** The first rule that allows it. */
  grantOf(identity: Identity, right: Right, name: readonly string[]): Grant | null {
    for (const { index, may, patterns, who } of this.#rulesOf(identity)) {
      if (!may.includes(right)) continue;
      if (!isPathRight(right)) return { rule: index, who, pattern: undefined };
      const pattern = patterns.find((each) => each.matches(name));
      if (pattern !== undefined) return { rule: index, who, pattern: pattern.text };
    }
    return null;
  }

  /** As `grantOf`, of a name as it is spelt; '' is the root. Throws INVALID_NAME. */
  explain(identity: Identity, right: Right, name: string): Grant | null {
    return this.grantOf(identity, right, isPathRight(right) ? parsePrefix(name) : []);
  }

  /** Of the file and of the proof. */
  groupsOf(identity: Identity): readonly string[] {
    return [...(this.#groupsOf.get(identity.name) ?? []), ...identity.groups];
  }

  #rulesOf(identity: Identity): readonly OwnRule[] {
    let own = this.#known.get(identity);
    if (own === undefined) {
      own = this.#compiled(identity);
      this.#known.set(identity, own);
    }
    return own;
  }

  #compiled(identity: Identity): OwnRule[] {
    const groups = this.groupsOf(identity);
    return this.#rules.rules.flatMap(({ may, on = [], who }, index) => {
      const word = who.find((each) => isMeant(each, identity, groups));
      if (word === undefined) return [];
      return [{ index, who: word, may, patterns: on.map((text) => new Pattern(text, identity.name)) }];
    });
  }
}

function amountsOf({
  inFlight,
  rate,
  ...most
}: NonNullable<AccessRules['limits'][number]['each']>): Pick<AppliedLimit, 'most' | 'rate' | 'inFlight'> {
  return { most, rate, inFlight };
}

function isMeant(word: string, identity: Identity, groups: readonly string[]): boolean {
  if (word === EVERYONE) return true;
  if (identity.proof === 'anonymous') return false;
  if (word === AUTHENTICATED) return true;
  const group = groupIn(word);
  return group === undefined ? word === identity.name : groups.includes(group);
}
