/** The connections that the transfers of one client share: each made on first use, and kept until the client is closed. */
import type { Channel } from '../connection/channel.ts';

export class LaneChannels {
  readonly #make: (index: number) => Channel;
  readonly #channels: Channel[] = [];
  #isClosed = false;

  constructor(make: (index: number) => Channel) {
    this.#make = make;
  }

  /** The connection `index`; 0 is the one for everything but parts of large files. */
  at(index: number): Channel {
    const known = this.#channels[index];
    if (known !== undefined) return known;
    const channel = this.#make(index);
    if (this.#isClosed) channel.close();
    this.#channels[index] = channel;
    return channel;
  }

  /** The server has answered on one of them. */
  get hasConnected(): boolean {
    return this.#channels.some((channel) => channel?.hasConnected);
  }

  /** As for `Channel`. */
  get hasAnother(): boolean {
    return this.#channels.some((channel) => channel?.hasAnother);
  }

  /** As for `Channel.close`. */
  close(): void {
    this.#isClosed = true;
    for (const channel of this.#channels) channel?.close();
  }
}
