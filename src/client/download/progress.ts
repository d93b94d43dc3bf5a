/** The account of one download; its amounts are those of its ranges. */
import { ProgressReporter } from '../progress-reporter.ts';
import type { Progress, TransferPhase } from './options.ts';
import type { DownloadRanges } from './ranges.ts';

type Amounts = Pick<Progress, 'name' | 'sizeBytes' | 'receivedBytes'>;

export class DownloadReporter extends ProgressReporter<TransferPhase, Amounts> {
  readonly #ranges: DownloadRanges;

  constructor(ranges: DownloadRanges, report: ((progress: Progress) => void) | undefined) {
    super(0, report);
    this.#ranges = ranges;
  }

  protected override amounts(): Amounts {
    const { receivedBytes, request, sizeBytes } = this.#ranges;
    return { name: request.name, sizeBytes, receivedBytes };
  }
}
