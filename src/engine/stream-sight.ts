/** What can be seen of a stream that moves bytes. Worked out when somebody asks. */

export interface StreamSight {
  /** Of a stream with many requests: those that are open, and the file of the oldest. */
  readonly openRequests?: number;
  readonly name?: string;
  /** Where it begins, in bytes from the start of the file. */
  readonly start: number;
  /** Bytes to be moved in all, where that is known. */
  readonly size?: number | undefined;
  /** Bytes of the file that the peer has taken, or that were written. */
  readonly movedBytes: number;
  readonly wireBytes: number;
  /** Read or received, and waiting for the peer or the disk. */
  readonly inFlightBytes: number;
  /** Time in which it waited for its peer, since it began. */
  readonly peerMs: number;
  /** Time that reads or writes of the store took, since it began; they may run beside each other. */
  readonly storageMs: number;
  /** It may move no more until the peer grants credit. */
  readonly lacksCredit: boolean;
  /** The present coding; empty where there is none yet. */
  readonly coding: string;
  /** Why it was chosen; empty where there was no choice. */
  readonly codingReason: string;
}

export interface Sighted {
  sight(nowMs: number): StreamSight;
}
