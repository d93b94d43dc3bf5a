/**
 * The items of a batch's plan. A plan is made during the transfers and never held
 * whole: a tree may have more files than fit into memory.
 */
import { TransferError } from '../../../base/errors.ts';
import type { LeftOut } from './left-out.ts';

export interface FileJob {
  /** On the server. */
  readonly name: string;
  /** Here; `-` for standard input or output. */
  readonly path: string;
  /** Undefined where only the transfer itself will tell. */
  readonly sizeBytes: number | undefined;
}

export type PlanItem<Job extends FileJob> =
  | { readonly kind: 'file'; readonly job: Job }
  /** The file exists and should have been sent; the others go on. */
  | { readonly kind: 'failed'; readonly name: string; readonly error: TransferError };

export interface PlanContext {
  /** Gets what the plan does not take. */
  readonly leftOut: LeftOut;
  /** Aborted when nobody wants more of the plan. */
  readonly signal: AbortSignal;
}

/** Begins a plan. */
export type Planner<Job extends FileJob> = (
  context: PlanContext,
) => AsyncGenerator<PlanItem<Job>, void, undefined>;

/**
 * Detects collisions between files of several sources. Places are remembered
 * only where trees are nested: within one tree they never collide.
 */
export class Places {
  readonly #nameOfPlace: Map<string, string> | undefined;

  /** `roots` are where the sources go, each a file or a directory. */
  constructor(roots: readonly string[]) {
    const below = roots.map((root) => (root === '' ? '' : `${root}/`));
    const mayMeet = below.some((one, index) =>
      below.some((other, otherIndex) => index !== otherIndex && one.startsWith(other)),
    );
    this.#nameOfPlace = mayMeet ? new Map() : undefined;
  }

  /** Throws INVALID_CONFIG when another file has the place. */
  take(place: string, name: string): void {
    const other = this.#nameOfPlace?.get(place);
    if (other !== undefined) {
      const message = `${other} and ${name} would both become ${place}; move them apart`;
      throw new TransferError('INVALID_CONFIG', message);
    }
    this.#nameOfPlace?.set(place, name);
  }
}
