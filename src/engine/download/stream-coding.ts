/**
 * How the ranges of one stream are coded. All that leave it to the server share
 * one choice, which follows the link, the workers and the data over the whole
 * stream: a pack or a short range is over before its link is known.
 *
 * Ranges write at the same time, each one write. The peer takes them one after
 * the other, and a choice sees each begin when the one before it was taken.
 */
import type { Coding } from '../../base/coding.ts';
import type { FilledRun } from '../jobs/job.ts';
import { CompressionPolicy, type CompressionSettings } from './compression-policy.ts';

/** What tells how far the bytes of a stream have come. */
export interface MeasuredLink {
  /**
   * Calls `echoed` once the peer's end of the connection has received all that
   * was written until now, and returns true; false when that cannot be asked
   * now. After the end of the stream it may never be called.
   */
  pingBarrier?(echoed: () => void): boolean;
}

export interface StreamWrite {
  readonly policy: CompressionPolicy;
  readonly coding: Coding;
  readonly run: FilledRun;
}

export class StreamCoding {
  readonly #settings: Pick<CompressionSettings, 'gzipLevel' | 'maxGzipLevel'>;
  /** By what requests have asked for; there are few ways to ask. */
  readonly #policies = new Map<string, CompressionPolicy>();
  /** Given to the stream and not taken yet, in order. */
  readonly #writes: StreamWrite[] = [];

  constructor(settings: Pick<CompressionSettings, 'gzipLevel' | 'maxGzipLevel'>) {
    this.#settings = settings;
  }

  /** The policy of all ranges that are to be coded in this way. */
  policyFor({ codecs, mode }: Pick<CompressionSettings, 'codecs' | 'mode'>): CompressionPolicy {
    const key = `${mode} ${[...codecs].sort().join()}`;
    let policy = this.#policies.get(key);
    if (policy === undefined) {
      const { gzipLevel, maxGzipLevel } = this.#settings;
      policy = new CompressionPolicy({ codecs, gzipLevel, maxGzipLevel, mode });
      this.#policies.set(key, policy);
    }
    return policy;
  }

  /** The peer asks for more of a range; until now there was nothing to send. */
  resumed(policy: CompressionPolicy, link: MeasuredLink, nowMs: number): void {
    for (const { choice } of this.#policies.values()) choice?.link.idled(nowMs);
    // Before the first byte, so that the round trip of an idle link is known. Later that would hide how full it is in use.
    if (policy.choice?.link.hasEchoes === false) this.#sendBarrier(policy, link, nowMs);
  }

  wrote(write: StreamWrite, nowMs: number): void {
    this.#writes.push(write);
    if (this.#writes.length === 1) this.#begins(write, nowMs);
  }

  /** The peer has taken the oldest write. */
  drained(link: MeasuredLink, nowMs: number): void {
    const write = this.#writes.shift();
    if (write === undefined) return;
    for (const policy of this.#policies.values()) {
      if (policy === write.policy) policy.choice?.drained(nowMs);
      else policy.choice?.link.drained(nowMs);
    }
    this.#sendBarrier(write.policy, link, nowMs);
    const next = this.#writes[0];
    if (next !== undefined) this.#begins(next, nowMs);
  }

  /** Asks for an echo behind what was taken, when the choice wants one. */
  #sendBarrier({ choice }: CompressionPolicy, link: MeasuredLink, nowMs: number): void {
    if (choice === undefined || link.pingBarrier === undefined || !choice.wantsBarrier(nowMs)) return;
    if (link.pingBarrier(() => choice.link.echoed(performance.now()))) choice.link.barrierSent(nowMs);
  }

  #begins({ coding, policy, run }: StreamWrite, nowMs: number): void {
    for (const each of this.#policies.values()) {
      if (each === policy) policy.wrote(coding, run, nowMs);
      // It takes the link, and says nothing about what the choice has chosen.
      else each.choice?.link.wrote(run.rawBytes, run.runBytes, nowMs);
    }
  }
}
