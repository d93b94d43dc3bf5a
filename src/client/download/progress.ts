/** The account of one download; its amounts are those of the position. */
import { ProgressReporter } from '../progress-reporter.ts';
import type { Progress, TransferPhase } from './options.ts';
import type { Position } from './position.ts';

type Amounts = Pick<Progress, 'name' | 'sizeBytes' | 'receivedBytes'>;

export class DownloadReporter extends ProgressReporter<TransferPhase, Amounts> {
  readonly #position: Position;

  constructor(position: Position, report: ((progress: Progress) => void) | undefined) {
    super(0, report);
    this.#position = position;
  }

  protected override amounts(): Amounts {
    const { request, end, receivedBytes } = this.#position;
    return {
      name: request.name,
      sizeBytes: end === undefined ? undefined : end - request.start,
      receivedBytes,
    };
  }
}
