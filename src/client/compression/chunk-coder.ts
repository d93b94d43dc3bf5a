/**
 * Codes the chunks of one connection of an upload, or the packs of one stream,
 * off the event loop, and measures how the link takes them.
 *
 *   chunk ─ next? ─ (turn ─ probe ─ encode) ─▶ coded ─▶ wrote ─▶ drained ─ barrier
 *
 * The transport gets two messages at a time and takes them one after another;
 * `CodecChoice` sees each begin when the one before it was taken, on the one
 * connection that it judges by.
 */

import { type Coding, IDENTITY } from '../../base/coding.ts';
import { isNoise, PROBE_BYTES, PROBE_CODING, WORTHWHILE_RATIO } from '../../base/compressibility.ts';
import { TransferError } from '../../base/errors.ts';
import type { CodecChoice } from '../../compression/codec-choice.ts';
import type { CallLink } from '../../flow/connections/call-link.ts';
import { encode } from '../../wire/codec.ts';
import type { CodecAccount } from '../codec-account.ts';
import type { SharedChoice } from './shared-choice.ts';

/** A chunk as it goes out. */
export interface CodedChunk {
  /** What `bytes` are. */
  readonly coding: Coding;
  /** One member, stream or frame; the chunk itself where it goes as it is. */
  readonly bytes: Uint8Array;
  readonly rawBytes: number;
  /** Compression was tried and gained hardly anything. */
  readonly isGainless: boolean;
  /** What the coding was chosen by; undefined where it is fixed. */
  readonly choice: CodecChoice | undefined;
}

/** What all connections of an upload share. */
export interface CoderContext {
  readonly account: CodecAccount;
  /** The server allows ping barriers. */
  readonly takesPings: boolean;
  /** Without a choice: what every chunk is compressed with that gets smaller by it. */
  readonly fixed: Coding;
  /** Threads that one connection may count on, a fraction when there are more connections. */
  readonly workers: number;
  /** Runs `action` when there is a thread for it. */
  inTurn<Result>(action: () => Promise<Result>): Promise<Result>;
}

/** The cost of smaller messages does not depend on their size. */
const MIN_BYTES = 256;

export class ChunkCoder {
  readonly #context: CoderContext;
  readonly #shared: SharedChoice<ChunkCoder> | undefined;
  /** Given to the transport and not taken yet, in order. */
  readonly #writes: CodedChunk[] = [];
  /** The choice that judges by the write under way, if any does. */
  #judge: CodecChoice | undefined;
  #link: CallLink | undefined;
  #barriers = 0;

  /** @param shared undefined where the coding is fixed; left with `close` */
  constructor(context: CoderContext, shared: SharedChoice<ChunkCoder> | undefined) {
    this.#context = context;
    this.#shared = shared;
    shared?.join(this);
  }

  /** The connection, or its part in the upload, is over. Safe to call twice. */
  close(): void {
    this.#shared?.leave(this);
  }

  /** A call has begun, without chunks so far. `link` is undefined where unknown. */
  began(link: CallLink | undefined): void {
    this.#link = this.#context.takesPings ? link : undefined;
    this.#writes.length = 0;
    const nowMs = performance.now();
    if (this.#shared?.isLedBy(this)) this.#shared.current?.link.resumed(nowMs);
    // Before the first byte, so that the round trip of an idle link is known.
    this.#sendBarrier(nowMs);
  }

  /** Until now there was nothing to send. */
  idled(): void {
    if (this.#shared?.isLedBy(this)) this.#shared.current?.link.idled(performance.now());
  }

  /** A chunk whose type tells that it does not get smaller. */
  plain(chunk: Uint8Array): CodedChunk {
    return { ...uncompressed(chunk, this.#shared?.current), isGainless: true };
  }

  /** The chunk as it is to be sent; it must not change before. Rejects with INTERNAL. */
  async coded(chunk: Uint8Array): Promise<CodedChunk> {
    const rawBytes = chunk.byteLength;
    const choice = await this.#choice();
    const endOffset = this.#context.account.taken(rawBytes);
    const { coding, probe } = this.#next(choice, rawBytes);
    if (coding.codec === 'identity') return uncompressed(chunk, choice);
    return await this.#context.inTurn(async () => {
      if (choice?.wantsQuiet) await this.#shared?.look();
      // The choice may have become plain during the wait.
      if (choice?.isPlain) return uncompressed(chunk, choice);
      const startMs = performance.now();
      const isWorthIt = !probe || (await getsSmaller(chunk));
      const member = isWorthIt ? await encoded(chunk, coding) : chunk;
      const wireBytes = member.byteLength;
      const isGainless = wireBytes > rawBytes * WORTHWHILE_RATIO;
      const nowMs = performance.now();
      const workMs = nowMs - startMs;
      choice?.observe({ coding, rawBytes, wireBytes, workMs, incompressible: isGainless, endOffset }, nowMs);
      const isSmaller = wireBytes < rawBytes;
      return {
        coding: isSmaller ? coding : IDENTITY,
        bytes: isSmaller ? member : chunk,
        rawBytes,
        isGainless,
        choice,
      };
    });
  }

  async #choice(): Promise<CodecChoice | undefined> {
    const shared = this.#shared;
    if (shared?.current?.isOpening && !shared.isLedBy(this)) await shared.look();
    return shared?.current;
  }

  #next(choice: CodecChoice | undefined, rawBytes: number): { coding: Coding; probe: boolean } {
    const { fixed, workers } = this.#context;
    if (choice === undefined) return { coding: fixed, probe: false };
    if (rawBytes < MIN_BYTES) return { coding: IDENTITY, probe: false };
    const nowMs = performance.now();
    const next = choice.next(nowMs, workers);
    if (!choice.isOpening && !choice.wantsQuiet) this.#shared?.lookedAtLink();
    choice.took(next, nowMs);
    return next;
  }

  /** The chunk was given to the transport. */
  wrote(chunk: CodedChunk): void {
    this.#writes.push(chunk);
    if (this.#writes.length === 1) this.#begins(chunk, performance.now());
  }

  /** The transport has taken the oldest chunk that was written. */
  drained(): void {
    const chunk = this.#writes.shift();
    if (chunk === undefined) return;
    const { bytes, coding, rawBytes } = chunk;
    this.#context.account.note(coding.codec, rawBytes, bytes.byteLength);
    const nowMs = performance.now();
    this.#judge?.drained(nowMs);
    this.#judge = undefined;
    this.#sendBarrier(nowMs);
    const next = this.#writes[0];
    if (next !== undefined) this.#begins(next, nowMs);
  }

  #begins({ bytes, choice, coding, isGainless, rawBytes }: CodedChunk, nowMs: number): void {
    const taken = isGainless ? IDENTITY : coding;
    const isJudged = choice !== undefined && choice === this.#shared?.current && this.#shared.isLedBy(this);
    this.#judge = isJudged ? choice : undefined;
    if (isJudged) choice.wrote(taken, rawBytes, bytes.byteLength, nowMs);
    else choice?.noteAside(taken, rawBytes);
  }

  #sendBarrier(nowMs: number): void {
    const choice = this.#shared?.isLedBy(this) ? this.#shared.current : undefined;
    if (choice === undefined || this.#link === undefined || !choice.wantsBarrier(nowMs)) return;
    this.#barriers += 1;
    const barrier = this.#barriers;
    const echoed = () => {
      // The echo of an earlier call says nothing about this link.
      if (barrier === this.#barriers) this.#echoed(choice, performance.now());
    };
    if (this.#link.pingBarrier(echoed)) choice.link.barrierSent(nowMs);
  }

  #echoed(choice: CodecChoice, nowMs: number): void {
    choice.link.echoed(nowMs);
    if (choice.isOpening) choice.decide(nowMs, this.#context.workers);
    if (choice.wantsQuiet) this.#sendBarrier(nowMs);
    else if (!choice.isOpening) this.#shared?.lookedAtLink();
  }
}

function uncompressed(bytes: Uint8Array, choice: CodecChoice | undefined): CodedChunk {
  return { coding: IDENTITY, bytes, rawBytes: bytes.byteLength, isGainless: false, choice };
}

/** Whether a sample from the middle gets notably smaller. */
async function getsSmaller(chunk: Uint8Array): Promise<boolean> {
  const sampleBytes = Math.min(PROBE_BYTES, chunk.byteLength);
  const at = (chunk.byteLength - sampleBytes) >> 1;
  const sample = chunk.subarray(at, at + sampleBytes);
  if (isNoise(sample)) return false;
  const member = await encoded(sample, PROBE_CODING);
  return member.byteLength <= sampleBytes * WORTHWHILE_RATIO;
}

async function encoded(bytes: Uint8Array, coding: Coding): Promise<Uint8Array> {
  try {
    return await encode(bytes, coding);
  } catch (cause) {
    throw new TransferError('INTERNAL', `compressing failed: ${(cause as Error).message}`, { cause });
  }
}
