/** A gRPC server with a certificate for `sluice.test` and 127.0.0.2, made with openssl for the one test. */
import type { TestContext } from 'node:test';
import { certificateFor, NumberedServer } from './numbered-server.ts';

/** Every file has 42 bytes there. */
export async function startTlsServer(t: TestContext): Promise<{ address: string; ca: Buffer }> {
  const tls = await certificateFor(t, 'DNS:sluice.test,IP:127.0.0.2');
  const { port } = await NumberedServer.start(t, 42, { host: '0.0.0.0', tls });
  return { address: `localhost:${port}`, ca: tls.cert };
}
