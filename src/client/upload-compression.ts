/**
 * How the chunks of one upload are compressed: never, always, or where that
 * gets them there sooner. Each connection chooses by itself, because a choice
 * follows writes and pings one after another; threads are shared.
 */
import { type ChoiceSummary, CodecChoice } from '../base/codec-choice.ts';
import { type CodecName, type Coding, codingsFor, IDENTITY } from '../base/coding.ts';
import { contentTypeOf, mayCompress } from '../base/content-type.ts';
import { ChunkCoder } from './chunk-coder.ts';
import type { CodecAccount } from './codec-account.ts';
import { COMPRESS_SLOTS, MAX_GZIP_LEVEL } from './limits.ts';
import type { CompressionMode } from './options.ts';

/** What `always` does to every chunk that gets smaller by it, in the codec that every server has. */
const ALWAYS: Coding = { codec: 'gzip', level: 1 };

export interface CompressionPlan {
  readonly mode: CompressionMode;
  /** The name on the server: tells the type. */
  readonly name: string;
  /** What the server decompresses and this runtime has. */
  readonly codecs: readonly CodecName[];
  readonly connections: number;
  readonly account: CodecAccount;
}

export class UploadCompression {
  readonly #plan: CompressionPlan;
  readonly #coders: ChunkCoder[] = [];
  #codecs: readonly CodecName[];
  #running = 0;
  readonly #queue: (() => void)[] = [];

  constructor(plan: CompressionPlan) {
    this.#plan = plan;
    this.#codecs = plan.codecs;
  }

  /** The server has said anew what it decompresses; for coders to come. */
  accept(codecs: readonly CodecName[]): void {
    this.#codecs = codecs;
  }

  /** For a connection that begins, or begins anew: what was learnt of another one does not hold for it. */
  coder(): ChunkCoder {
    const { account, connections } = this.#plan;
    const mode = this.#mode();
    const codings = mode === 'auto' ? codingsFor(this.#codecs, MAX_GZIP_LEVEL) : [];
    const choice = codings.length > 0 ? new CodecChoice(codings) : undefined;
    const context = {
      account,
      fixed: mode === 'always' ? ALWAYS : IDENTITY,
      workers: COMPRESS_SLOTS / connections,
      inTurn: <Result>(action: () => Promise<Result>) => this.#inTurn(action),
    };
    const coder = new ChunkCoder(context, choice);
    this.#coders.push(coder);
    return coder;
  }

  /** How the bytes were coded and why, over all connections; undefined when there was nothing to choose. */
  summary(): ChoiceSummary | undefined {
    const summaries = this.#coders
      .map(({ choice }) => choice?.summary())
      .filter((each) => each !== undefined);
    const [most, ...others] = summaries.sort((a, b) => sentBytes(b) - sentBytes(a));
    return most === undefined ? undefined : others.reduce(joined, most);
  }

  #mode(): CompressionMode {
    const { mode, name } = this.#plan;
    if (this.#codecs.length === 0) return 'never';
    if (mode === 'always') return this.#codecs.includes('gzip') ? 'always' : 'auto';
    return mode === 'auto' && mayCompress(contentTypeOf(name)) ? 'auto' : 'never';
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

/** Two connections as one, with the reason of the first. */
function joined(one: ChoiceSummary, other: ChoiceSummary): ChoiceSummary {
  const bytes: Record<string, number> = { ...one.bytes };
  for (const [coding, count] of Object.entries(other.bytes)) bytes[coding] = (bytes[coding] ?? 0) + count;
  const [a, b] = [compressedBytes(one), compressedBytes(other)];
  return {
    bytes,
    switches: one.switches + other.switches,
    ratio: a + b === 0 ? 0 : (one.ratio * a + other.ratio * b) / (a + b),
    reason: one.reason,
  };
}

function sentBytes({ bytes }: ChoiceSummary): number {
  return Object.values(bytes).reduce((sum, count) => sum + count, 0);
}

function compressedBytes(summary: ChoiceSummary): number {
  return sentBytes(summary) - (summary.bytes.identity ?? 0);
}
