/** AdminService by bare grpc-js, from the .proto file itself. */
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';
import type { Transfer, WatchRequest, WatchResponse } from '../../../src/wire/admin-messages.ts';

const PROTO_DIR = fileURLToPath(new URL('../../../../proto/', import.meta.url));

const contract = loadSync('sluice/v1/admin.proto', {
  includeDirs: [PROTO_DIR],
  longs: Number,
  enums: String,
  defaults: true,
})['sluice.v1.AdminService'] as ServiceDefinition;

/** How a call ended: its answer, or status and sluice-code. */
export type AdminAnswer<Response> =
  | { readonly status: 'OK'; readonly answer: Response }
  | { readonly status: string; readonly code: string; readonly answer?: undefined };

export class AdminClient {
  readonly #client: Client;

  constructor(t: TestContext, address: string) {
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    t.after(() => this.#client.close());
  }

  unary<Response>(method: string, request: object): Promise<AdminAnswer<Response>> {
    const { path, requestSerialize, responseDeserialize } = definition(method);
    return new Promise((resolve) => {
      this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (failure, answer) =>
        resolve(failure === null ? { status: 'OK', answer: answer as Response } : failed(failure)),
      );
    });
  }

  /** Snapshots, one after the other; leaving the loop ends the call. */
  async *watch(request: Partial<WatchRequest> = {}): AsyncGenerator<WatchResponse, void, undefined> {
    const { path, requestSerialize, responseDeserialize } = definition('Watch');
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      new Metadata(),
    ) as ClientReadableStream<WatchResponse>;
    try {
      for await (const snapshot of call) yield snapshot;
    } finally {
      call.on('error', () => {});
      call.cancel();
    }
  }

  /** The first snapshot that has what is looked for. */
  async seen<Found>(
    request: Partial<WatchRequest>,
    find: (snapshot: WatchResponse) => Found | undefined,
  ): Promise<Found> {
    for await (const snapshot of this.watch({ intervalMs: 200, ...request })) {
      const found = find(snapshot);
      if (found !== undefined) return found;
    }
    throw new Error('the watch has ended');
  }

  /** The first transfer that is as it is looked for. */
  transfer(matches: (transfer: Transfer) => boolean): Promise<Transfer> {
    return this.seen({}, ({ transfers }) => transfers.find(matches));
  }
}

function definition(method: string): MethodDefinition<object, object> {
  return contract[method] as MethodDefinition<object, object>;
}

function failed(failure: ServiceError): { status: string; code: string } {
  return {
    status: status[failure.code] ?? '',
    code: String(failure.metadata.get('sluice-code')[0] ?? ''),
  };
}
