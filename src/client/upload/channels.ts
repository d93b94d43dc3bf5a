/**
 * The connections that uploads of one client share: made on first use, apart
 * from the client's other calls, and kept until the client is closed.
 *
 * With several servers, the name of a file decides which one its upload begins
 * with, the same for all clients: one server has all parts of an upload, and
 * sees who else writes the name.
 */
import type { CodecName } from '../../base/coding.ts';
import { Turn } from '../../flow/connections/turn.ts';
import { crc32 } from '../../wire/crc32.ts';
import { Channel } from '../connection/channel.ts';
import type { Interruptions } from '../connection/interruptions.ts';
import type { Target } from '../connection/target.ts';
import { LaneChannels } from '../lanes/channels.ts';
import { SAFE_CHUNK_BYTES } from '../limits.ts';
import type { ResolvedOptions } from '../options.ts';

/** The server's answer at the start of an upload, which most likely holds for the next. */
export interface UploadTerms {
  readonly maxChunkBytes: number;
  /** Codecs of both the server and this runtime. */
  readonly codecs: readonly CodecName[];
  /** Pings may measure the link. */
  readonly takesPings: boolean;
  /** Calls that may carry parts of an upload at once; 0: any number. */
  readonly maxStreams: number;
  /** How long an upload lives without getting bytes. */
  readonly lifetimeMs: number;
}

/** To one server, and to the next one when that is lost. */
export class UploadChannels extends LaneChannels {
  /** Of a server that lets its clients choose the ids of uploads; undefined until an upload has begun there. */
  terms: UploadTerms | undefined;
  /** Used until the server has named its limit; smaller after a refusal. */
  firstChunkBytes = SAFE_CHUNK_BYTES;
  /** The target, for messages to people. */
  readonly target: string;
  /** Of the client. */
  readonly interruptions: Interruptions;

  constructor(target: Target, options: ResolvedOptions, interruptions: Interruptions, start: number) {
    const turn = new Turn(start);
    super(() => new Channel(target, options, interruptions, { purpose: 'upload', turn }));
    this.target = target.address;
    this.interruptions = interruptions;
  }
}

/** Those of one client. */
export class UploadServers {
  readonly #open: (start: number) => UploadChannels;
  readonly #target: Target;
  /** By the position of the server that they begin with. */
  readonly #channels = new Map<number, UploadChannels>();
  #isClosed = false;

  constructor(target: Target, options: ResolvedOptions, interruptions: Interruptions) {
    this.#open = (start) => new UploadChannels(target, options, interruptions, start);
    this.#target = target;
  }

  async for(name: string): Promise<UploadChannels> {
    const count = await this.#serverCount();
    return this.#beginningWith(crc32(Buffer.from(name)) % count);
  }

  /** As for `Channel.close`. */
  close(): void {
    this.#isClosed = true;
    for (const channels of this.#channels.values()) channels.close();
  }

  /** Names may stand for several servers each. */
  async #serverCount(): Promise<number> {
    const { servers } = this.#target;
    if (this.#isClosed || servers.every(({ ip }) => ip !== undefined)) return servers.length;
    const channel = this.#beginningWith(0).at(0);
    // What is wrong the upload will say.
    await channel.resolved().catch(() => {});
    return channel.serverCount;
  }

  #beginningWith(start: number): UploadChannels {
    const channels = this.#channels.get(start) ?? this.#open(start);
    if (this.#isClosed) channels.close();
    this.#channels.set(start, channels);
    return channels;
  }
}
