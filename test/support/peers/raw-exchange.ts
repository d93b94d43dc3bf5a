/** A client of bare grpc-js on one Exchange: keeps all messages, by the ids of their requests. */
import { Client, type ClientDuplexStream, credentials, status } from '@grpc/grpc-js';
import type { ExchangeLimits, ExchangeResponse } from '../../../src/wire/messages.ts';
import { until } from '../until.ts';
import { contract, metadataWith } from './raw-client.ts';

type Wish = Record<string, unknown> & { id: number };

export class RawExchange {
  /** All messages, in the order in which they came. */
  readonly received: ExchangeResponse[] = [];
  /** How the call ended; undefined while it runs. */
  status: { code: keyof typeof status; details: string } | undefined;
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Wish, ExchangeResponse>;
  #lastId = 0;

  constructor(address: string, token?: string) {
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
    });
    const { Exchange: method } = contract;
    if (method === undefined) throw new Error('the contract has no Exchange');
    this.#call = this.#client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize as (wish: Wish) => Buffer,
      method.responseDeserialize as (bytes: Buffer) => ExchangeResponse,
      metadataWith(token),
    );
    this.#call.on('data', (message: ExchangeResponse) => this.received.push(message));
    this.#call.on('error', () => {});
    this.#call.on('status', ({ code, details }) => {
      this.status = { code: status[code] as keyof typeof status, details };
    });
  }

  /** Sends a request under a new id, which is returned. */
  ask(wish: Record<string, unknown>): number {
    this.#lastId += 1;
    this.send({ id: this.#lastId, ...wish });
    return this.#lastId;
  }

  send(wish: Wish): void {
    this.#call.write(wish);
  }

  halfClose(): void {
    this.#call.end();
  }

  /** Reads nothing more. */
  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  cancel(): void {
    this.#call.cancel();
  }

  close(): void {
    this.#call.cancel();
    this.#client.close();
  }

  of(id: number): ExchangeResponse[] {
    return this.received.filter((message) => message.id === id);
  }

  /** All chunks of a request, as they came; none may be compressed. */
  bytesOf(id: number): Buffer {
    return Buffer.concat(this.of(id).map(({ data }) => data?.chunk ?? new Uint8Array()));
  }

  get limits(): ExchangeLimits | undefined {
    return this.received[0]?.limits ?? undefined;
  }

  /** How a request ended: 'OK' or the code of its failure. */
  async endOf(id: number): Promise<string> {
    const last = () => this.of(id).at(-1)?.end;
    await until(`the end of request ${id}`, () => Boolean(last()) || this.status !== undefined);
    const end = last();
    return end ? (end.failure?.sluiceCode ?? 'OK') : `lost: ${this.status?.code}`;
  }

  async ended(): Promise<string> {
    await until('the end of the exchange', () => this.status !== undefined);
    return String(this.status?.code);
  }
}
