/** Access control by functions that a program gives to its server, for callers, for rights, or for both. */
import { TransferError } from '../base/errors.ts';
import type { Access } from './access.ts';
import type { AccessRequest } from './authenticator.ts';
import type { FileAccess } from './file-access.ts';
import { ANONYMOUS, type Identity } from './identity.ts';
import { NO_LIMITS } from './limits.ts';
import type { Policy } from './policy.ts';
import type { QuotaRule } from './quota.ts';
import type { Right } from './rights.ts';
import { current, unknownCaller } from './unauthenticated.ts';

/** Who a caller is, as the function of a program says. */
export interface OwnIdentity {
  /** Unique among all that the function gives out; uploads belong to it, and limits count by it. */
  readonly name: string;
  readonly groups?: readonly string[] | undefined;
  /** When this has to be found out again, in milliseconds since the epoch: calls end then. Default: never. */
  readonly expiresMs?: number | undefined;
}

export interface AccessFunctions {
  /**
   * Who makes a call; null: nobody that is served. Called once for each call, before it takes a place. Default:
   * what the access file says, else nobody has to say who they are.
   */
  authenticate?: ((request: AccessRequest) => OwnIdentity | null | Promise<OwnIdentity | null>) | undefined;
  /**
   * Whether an identity has a right on a name, which is in its canonical form; '' is the root, and the name of
   * `observe` and `control`. Must not take long. Default: what the access file says, else everybody has.
   */
  authorize?: ((identity: Identity, right: Right, name: string) => boolean) | undefined;
}

export class OwnAccess implements Access {
  readonly #file: FileAccess | null;
  readonly #authenticate: AccessFunctions['authenticate'];
  readonly #policy: Policy | null;

  /** @param file decides what no function does; null: everybody may do that */
  constructor({ authenticate, authorize }: AccessFunctions, file: FileAccess | null) {
    this.#file = file;
    this.#authenticate = authenticate;
    this.#policy = authorize === undefined ? null : policyBy(authorize, file);
  }

  get policy(): Policy {
    return this.#policy ?? this.#file?.policy ?? EVERYTHING;
  }

  get quotas(): readonly QuotaRule[] {
    return this.#file?.quotas ?? [];
  }

  identify(request: AccessRequest): Identity | Promise<Identity> {
    if (this.#authenticate === undefined) return this.#file?.identify(request) ?? ANONYMOUS;
    const own = this.#authenticate(request);
    return own instanceof Promise ? own.then(identityOf) : identityOf(own);
  }

  /** A function is asked once for each call: what it said holds until it expires. */
  onChange(listener: () => void): void {
    if (this.#authenticate === undefined) this.#file?.onChange(listener);
  }

  close(): void {
    this.#file?.close();
  }
}

const EVERYTHING: Policy = { may: () => true, mayLook: () => true, mayServer: () => true };

function policyBy(authorize: NonNullable<AccessFunctions['authorize']>, file: FileAccess | null): Policy {
  return {
    may: (identity, right, name) => authorize(identity, right, name.join('/')),
    mayLook: (identity, name) => authorize(identity, 'list', name.join('/')),
    mayServer: (identity, right) => authorize(identity, right, ''),
    limitsOf: (identity, owner) => file?.policy.limitsOf(identity, owner) ?? NO_LIMITS,
  };
}

function identityOf(own: OwnIdentity | null): Identity {
  if (own === null) throw unknownCaller();
  const { expiresMs = Number.POSITIVE_INFINITY, groups = [], name } = own;
  if (typeof name !== 'string' || name === '')
    throw new TransferError('INTERNAL', 'authenticate gave an identity without a name');
  return current({ name, groups, proof: 'own', expiresMs });
}
