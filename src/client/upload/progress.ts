/** The account of one upload, with durable bytes and codings. */
import type { ChoiceSummary } from '../../compression/codec-choice.ts';
import type { CallLink } from '../../flow/connections/call-link.ts';
import { ProgressReporter } from '../progress-reporter.ts';
import type { UploadPhase, UploadProgress } from './options.ts';

type Amounts = Pick<UploadProgress, 'name' | 'sizeBytes' | 'sentBytes' | 'durableBytes'>;

export class UploadReporter extends ProgressReporter<UploadPhase, Amounts> {
  /** Bytes that are durable on the server, as far as it has said. */
  durableBytes = 0;
  /** Undefined until it is known. */
  sizeBytes: number | undefined;
  /** How much has gone to the network; set by whoever sends. */
  sentBytes: () => number = () => 0;
  /** How bytes were coded and why; undefined when there was nothing to choose. */
  codings: () => ChoiceSummary | undefined = () => undefined;
  /** The link to the server, as far as the newest call has measured it. */
  link: CallLink | undefined;
  readonly #name: string;

  constructor(name: string, report: ((progress: UploadProgress) => void) | undefined) {
    super(1, report);
    this.#name = name;
  }

  protected override amounts(): Amounts {
    const { sizeBytes, durableBytes } = this;
    return { name: this.#name, sizeBytes, sentBytes: this.sentBytes(), durableBytes };
  }
}
