/** How much of a server an identity, or those that a limit means together, may use at the same time. */

/** What is counted. */
export const LIMITED_KINDS = [
  'connections',
  'calls',
  'streams',
  'uploadStreams',
  'requests',
  'uploads',
] as const;

export type LimitedKind = (typeof LIMITED_KINDS)[number];

/** A limit that applies to an owner. */
export interface AppliedLimit {
  /** Owners with the same key are limited together. */
  readonly key: string;
  /** Names whom it means, in refusals: "ci", or "group:builders together". */
  readonly who: string;
  readonly most: Readonly<Partial<Record<LimitedKind, number | undefined>>>;
  /** Bytes a second; undefined: any. */
  readonly rate: number | undefined;
  /** Bytes that peers or the store have not taken yet; undefined: any. */
  readonly inFlight: number | undefined;
}

export interface OwnerLimits {
  /** Of its turns, beside those of other owners. */
  readonly weight: number;
  readonly limits: readonly AppliedLimit[];
}

export const NO_LIMITS: OwnerLimits = { weight: 1, limits: [] };
