/**
 * The connections that uploads of one client share: made on first use, apart
 * from the client's other calls, and kept until the client is closed.
 */
import type { CodecName } from '../../base/coding.ts';
import { Channel } from '../connection/channel.ts';
import type { Interruptions } from '../connection/interruptions.ts';
import { SAFE_CHUNK_BYTES } from '../limits.ts';
import type { ResolvedOptions } from '../options.ts';

/** The server's answer at the start of an upload, which most likely holds for the next. */
export interface UploadTerms {
  readonly maxChunkBytes: number;
  /** Codecs of both the server and this runtime. */
  readonly codecs: readonly CodecName[];
  /** Pings may measure the link. */
  readonly takesPings: boolean;
  /** How long an upload lives without getting bytes. */
  readonly lifetimeMs: number;
}

export class UploadChannels {
  /** Of a server that lets its clients choose the ids of uploads; undefined until an upload has begun there. */
  terms: UploadTerms | undefined;
  /** Used until the server has named its limit; smaller after a refusal. */
  firstChunkBytes = SAFE_CHUNK_BYTES;
  /** The target, for messages to people. */
  readonly target: string;
  /** Of the client. */
  readonly interruptions: Interruptions;
  readonly #options: ResolvedOptions;
  readonly #channels: Channel[] = [];
  #isClosed = false;

  constructor(target: string, options: ResolvedOptions, interruptions: Interruptions) {
    this.target = target;
    this.interruptions = interruptions;
    this.#options = options;
  }

  /** The connection `index`; 0 is the one for everything but parts of large files. */
  at(index: number): Channel {
    const known = this.#channels[index];
    if (known !== undefined) return known;
    const channel = new Channel(this.target, this.#options, this.interruptions, 'upload');
    if (this.#isClosed) channel.close();
    this.#channels[index] = channel;
    return channel;
  }

  /** The server has answered on one of them. */
  get hasConnected(): boolean {
    return this.#channels.some((channel) => channel?.hasConnected);
  }

  /** As for `Channel.close`. */
  close(): void {
    this.#isClosed = true;
    for (const channel of this.#channels) channel?.close();
  }
}
