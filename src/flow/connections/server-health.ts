/**
 * Which of several servers are serving, by the standard health service. A watch
 * is a call on the connection that transfers use, and runs while calls do: with
 * none, there is nothing to choose and no process to keep alive.
 *
 * A server that says NOT_SERVING is left out, unless all that are connected say
 * so. One without the service, or that does not answer, counts as serving.
 */
import {
  ChannelCredentials,
  Client,
  type ClientReadableStream,
  connectivityState,
  experimental,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { SERVICE_NAME } from '../../wire/service.ts';

const WATCH = '/grpc.health.v1.Health/Watch';

/** HealthCheckRequest: field 1 is the name of the service. */
const REQUEST = Buffer.concat([Buffer.of(0x0a, SERVICE_NAME.length), Buffer.from(SERVICE_NAME)]);

/** HealthCheckResponse: field 1 is 2 for NOT_SERVING. */
const NOT_SERVING = Buffer.of(0x08, 0x02);

/** After the last call; calls one after the other share a watch. */
const LINGER_MS = 250;

const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;

/** Answers that will not change while the connection lasts. */
const FINAL: ReadonlySet<status> = new Set([
  status.UNIMPLEMENTED,
  status.NOT_FOUND,
  status.PERMISSION_DENIED,
  status.UNAUTHENTICATED,
]);

export class ServerHealth {
  readonly #servers = new Set<WatchedServer>();
  #calls = 0;
  #linger: NodeJS.Timeout | undefined;

  /** A connection, watched while it has users. */
  watched(connection: experimental.SubchannelInterface): WatchedServer {
    return new WatchedServer(connection, this);
  }

  /** There are calls, or have been a moment ago. */
  get isWatching(): boolean {
    return this.#calls > 0 || this.#linger !== undefined;
  }

  callBegan(): void {
    this.#calls += 1;
    if (this.#calls > 1) return;
    const wasWatching = this.#linger !== undefined;
    clearTimeout(this.#linger);
    this.#linger = undefined;
    if (!wasWatching) for (const server of this.#servers) server.watch();
  }

  callEnded(): void {
    this.#calls -= 1;
    if (this.#calls === 0) this.#linger = setTimeout(() => this.close(), LINGER_MS).unref();
  }

  /** Ends every watch. */
  close(): void {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    for (const server of this.#servers) server.endWatch();
  }

  add(server: WatchedServer): void {
    this.#servers.add(server);
    this.changed();
  }

  remove(server: WatchedServer): void {
    this.#servers.delete(server);
    this.changed();
  }

  /** What a server says has changed, or who is connected. */
  changed(): void {
    const connected = [...this.#servers].filter((server) => server.isConnected);
    const areAllOut = connected.every((server) => server.saysNotServing);
    for (const server of this.#servers) server.leaveOut(server.saysNotServing && !areAllOut);
  }
}

export class WatchedServer extends experimental.BaseSubchannelWrapper {
  /** What balancers above get. */
  readonly wrapped: experimental.SubchannelInterface;
  readonly #health: ServerHealth;
  #saysNotServing = false;
  #users = 0;
  #failures = 0;
  #call: ClientReadableStream<boolean> | undefined;
  #backoff: NodeJS.Timeout | undefined;

  constructor(connection: experimental.SubchannelInterface, health: ServerHealth) {
    super(connection);
    this.wrapped = connection;
    this.#health = health;
  }

  get saysNotServing(): boolean {
    return this.#saysNotServing;
  }

  get isConnected(): boolean {
    return this.getConnectivityState() === connectivityState.READY;
  }

  override ref(): void {
    super.ref();
    this.#users += 1;
    if (this.#users > 1) return;
    this.addConnectivityStateListener(this.#onState);
    this.#health.add(this);
    if (this.isConnected) this.watch();
  }

  override unref(): void {
    this.#users -= 1;
    if (this.#users === 0) {
      this.removeConnectivityStateListener(this.#onState);
      this.endWatch();
      this.#health.remove(this);
    }
    super.unref();
  }

  leaveOut(isLeftOut: boolean): void {
    this.setHealthy(!isLeftOut);
  }

  /** Does nothing without a connection, without calls, or while it is being watched. */
  watch(): void {
    if (!this.isConnected || !this.#health.isWatching || this.#call !== undefined) return;
    clearTimeout(this.#backoff);
    // Its credentials are those of the connection.
    const client = new Client('', ChannelCredentials.createInsecure(), {
      channelOverride: this.getChannel(),
    });
    const call = client.makeServerStreamRequest<Buffer, boolean>(
      WATCH,
      (request) => request,
      (response) => response.equals(NOT_SERVING),
      REQUEST,
      new Metadata(),
    );
    this.#call = call;
    call.on('data', (saysNotServing: boolean) => {
      this.#failures = 0;
      this.#says(saysNotServing);
    });
    call.on('error', ({ code }: ServiceError) => this.#ended(call, code));
    call.on('end', () => this.#ended(call, status.OK));
  }

  /** What it said last stands. */
  endWatch(): void {
    clearTimeout(this.#backoff);
    const call = this.#call;
    this.#call = undefined;
    call?.cancel();
  }

  readonly #onState: experimental.ConnectivityStateListener = (_connection, _before, state) => {
    this.endWatch();
    this.#failures = 0;
    this.#saysNotServing = false;
    this.#health.changed();
    if (state === connectivityState.READY) this.watch();
  };

  #says(saysNotServing: boolean): void {
    if (saysNotServing === this.#saysNotServing) return;
    this.#saysNotServing = saysNotServing;
    this.#health.changed();
  }

  #ended(call: ClientReadableStream<boolean>, code: status): void {
    if (this.#call !== call) return;
    this.#says(false);
    // Where the answer is final the call stays, so that there is no other.
    if (FINAL.has(code)) return;
    this.#call = undefined;
    const boundMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#backoff = setTimeout(() => this.watch(), Math.random() * boundMs).unref();
  }
}
