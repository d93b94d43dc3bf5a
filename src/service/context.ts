/** What every RPC handler gets: bound once, when the server is built. */

import type { Coding } from '../base/coding.ts';
import type { Logger } from '../base/logger.ts';
import type { ChoiceSummary } from '../compression/codec-choice.ts';
import type { Engine } from '../engine/engine.ts';
import type { StreamWindows } from '../flow/windows/receive-windows.ts';
import type { Store } from '../storage/store.ts';
import type { CallPlaces } from './call-places.ts';
import type { CallsUnderWay } from './calls-under-way.ts';
import type { LiveUploads } from './live-uploads.ts';

export interface ServiceContext {
  store: Store;
  engine: Engine;
  uploads: LiveUploads;
  places: CallPlaces;
  calls: CallsUnderWay;
  logger: Logger;
  /** False where the self-test found that runs must be sent message by message. */
  zeroCopy: boolean;
  /** False where the self-test found that chunks cannot be taken out of a call's stream directly. */
  directReads: boolean;
  /** Sees to the receive window of each upload stream. */
  uploadWindows: StreamWindows;
  chunk: { size: number; maxSize: number };
  compression: { mode: 'auto' | 'off'; minSize: number };
  /** How long a peer may take no byte, in milliseconds. */
  stallTimeoutMs: number;
  /** What a stalled stream gets to deliver its status, in milliseconds. */
  stallLingerMs: number;
}

/** What a handler reports for the request log. */
export interface RequestFacts {
  /** The name asked for; `name` would be the logger's own in pino's lines. */
  file: string;
  /** The id of the upload. */
  upload?: string;
  start?: number;
  rawBytes?: number;
  wireBytes?: number;
  /** Raw bytes of received chunks by what they were compressed with, where the client chose. */
  codecs?: Partial<Record<Coding['codec'], number>>;
  /** How the bytes were coded, where the server chose. */
  codings?: ChoiceSummary;
  entries?: number;
}
