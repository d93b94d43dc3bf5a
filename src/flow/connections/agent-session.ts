/**
 * The connection below one channel of this client, recognised by its own user
 * agent through public API of Node 22 and later. On Node 20 nothing is found
 * here, and the call has to be asked (`CallLink`).
 */
import type { Http2Session } from 'node:http2';
import type { ChannelOptions } from '@grpc/grpc-js';
import { watchClientStreams } from '../calls/call-stream.ts';

const USER_AGENT = 'sluice (connection ';

/** The newest open session of each channel, by number. */
const sessions = new Map<number, Http2Session>();
let channels = 0;

export class AgentSession {
  readonly #number: number;

  constructor() {
    channels += 1;
    this.#number = channels;
    if (channels === 1) watchAll();
  }

  get channelOptions(): ChannelOptions {
    return { 'grpc.primary_user_agent': `${USER_AGENT}${this.#number})` };
  }

  /** Of the stream that was begun last; undefined where none was seen. */
  get newest(): Http2Session | undefined {
    return sessions.get(this.#number);
  }
}

function watchAll(): void {
  watchClientStreams(USER_AGENT, ({ session }, headers) => {
    const number = Number.parseInt(String(headers['user-agent']).slice(USER_AGENT.length), 10);
    if (session === undefined || sessions.get(number) === session) return;
    sessions.set(number, session);
    session.once('close', () => {
      if (sessions.get(number) === session) sessions.delete(number);
    });
  });
}
