/** Connections of loopback for a gRPC server of a test, whose ends the test holds. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import type { Scope } from '../../support/test-engine.ts';

export interface InjectedServer {
  port: number;
  /** The server's ends of all connections. */
  sockets: Socket[];
}

/** Lets connections in until the test ends. */
export async function letConnectionsIn(scope: Scope, server: Server): Promise<InjectedServer> {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets: Socket[] = [];
  const listener = createServer((socket) => {
    sockets.push(socket);
    injector.injectConnection(socket);
  });
  scope.after(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
    server.forceShutdown();
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return { port: (listener.address() as AddressInfo).port, sockets };
}
