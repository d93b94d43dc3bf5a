/**
 * The access control of a server: who makes a call, and what the caller may do.
 * Without one, everybody may do everything that the server does.
 */
import type { AccessRequest } from './authenticator.ts';
import type { Identity } from './identity.ts';
import type { Policy } from './policy.ts';
import type { QuotaRule } from './quota.ts';

export interface Access {
  /** What is in force now. */
  readonly policy: Policy;
  /** What may be stored; absent: anything. */
  readonly quotas?: readonly QuotaRule[];
  /**
   * Who makes a call. A promise only where that cannot be said at once.
   *
   * @throws TransferError UNAUTHENTICATED, or rejects with it; UNAVAILABLE where nobody can say now.
   */
  identify(request: AccessRequest): Identity | Promise<Identity>;
  /** Calls `listener` when what was identified before may not be any more. */
  onChange(listener: () => void): void;
  close(): void;
}
