/** A gRPC server with a certificate for `sluice.test` and 127.0.0.2, made with openssl for the one test. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Server, ServerCredentials, type sendUnaryData } from '@grpc/grpc-js';
import { transferService } from '../../../src/wire/service.ts';
import { scratchDirectory } from '../fixtures.ts';

/** Every file has 42 bytes there. */
export async function startTlsServer(t: TestContext): Promise<{ address: string; ca: Buffer }> {
  const directory = await scratchDirectory(t);
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const args = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=sluice.test';
  const names = ['-addext', 'subjectAltName=DNS:sluice.test,IP:127.0.0.2', '-keyout', key, '-out', cert];
  execFileSync('openssl', [...args.split(' '), ...names], { stdio: 'ignore' });
  const ca = readFileSync(cert);
  const server = new Server();
  server.addService(transferService, {
    GetFileSize: (_call: unknown, done: sendUnaryData<{ size: number }>) => done(null, { size: 42 }),
  });
  const credentials = ServerCredentials.createSsl(null, [{ private_key: readFileSync(key), cert_chain: ca }]);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('0.0.0.0:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  t.after(() => server.forceShutdown());
  return { address: `localhost:${port}`, ca };
}
