/**
 * How the chunks of one upload, or the packs of one stream, are compressed:
 * never, always, or where that is faster. Connections share the choice and the
 * threads.
 */

import { type CodecName, type Coding, codingsFor, IDENTITY } from '../../base/coding.ts';
import { type ChoiceSummary, CodecChoice } from '../../compression/codec-choice.ts';
import type { CodecAccount } from '../codec-account.ts';
import { COMPRESS_SLOTS, MAX_GZIP_LEVEL } from '../limits.ts';
import type { CompressionMode } from '../options.ts';
import { ChunkCoder } from './chunk-coder.ts';
import { SharedChoice } from './shared-choice.ts';

/** Used by `always`: every server has gzip. */
const ALWAYS: Coding = { codec: 'gzip', level: 1 };

export interface CompressionPlan {
  readonly mode: CompressionMode;
  /** It may get smaller, as far as its type tells. */
  readonly isCompressible: boolean;
  /** Codecs of both the server and this runtime. */
  readonly codecs: readonly CodecName[];
  /** Pings may measure the link to it. */
  readonly takesPings: boolean;
  readonly account: CodecAccount;
}

export class UploadCompression {
  readonly #plan: CompressionPlan;
  readonly #choice = new SharedChoice<ChunkCoder>(() => this.#newChoice());
  #codecs: readonly CodecName[];
  #takesPings: boolean;
  #running = 0;
  readonly #queue: (() => void)[] = [];

  constructor(plan: CompressionPlan) {
    this.#plan = plan;
    this.#codecs = plan.codecs;
    this.#takesPings = plan.takesPings;
  }

  /** The server, perhaps another one, has named its codecs again, and whether it takes pings. */
  accept(codecs: readonly CodecName[], takesPings: boolean): void {
    this.#takesPings = takesPings;
    if (codecs.join() === this.#codecs.join()) return;
    this.#codecs = codecs;
    this.#choice.renew();
  }

  /** For a connection that begins, or begins anew; it is closed when that is over. */
  coder(): ChunkCoder {
    const { account } = this.#plan;
    const choice = this.#choice;
    const context = {
      account,
      takesPings: this.#takesPings,
      fixed: this.#mode() === 'always' ? ALWAYS : IDENTITY,
      get workers() {
        return COMPRESS_SLOTS / Math.max(1, choice.memberCount);
      },
      inTurn: <Result>(action: () => Promise<Result>) => this.#inTurn(action),
    };
    return new ChunkCoder(context, this.#choice);
  }

  /** How the bytes were coded and why, over all connections; undefined when there was nothing to choose. */
  summary(): ChoiceSummary | undefined {
    return this.#choice.summary();
  }

  #newChoice(): CodecChoice | undefined {
    const codings = this.#mode() === 'auto' ? codingsFor(this.#codecs, MAX_GZIP_LEVEL) : [];
    return codings.length > 0 ? new CodecChoice(codings) : undefined;
  }

  #mode(): CompressionMode {
    const { isCompressible, mode } = this.#plan;
    if (this.#codecs.length === 0) return 'never';
    if (mode === 'always') return this.#codecs.includes('gzip') ? 'always' : 'auto';
    return mode === 'auto' && isCompressible ? 'auto' : 'never';
  }

  /** At most COMPRESS_SLOTS at once, over all connections of the upload. */
  async #inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    if (this.#running < COMPRESS_SLOTS) this.#running += 1;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    try {
      return await action();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
