/** A gRPC server whose files have as many bytes as its number says, with the health service on demand. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Server, ServerCredentials, type sendUnaryData, type status } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { SERVICE_NAME, transferService } from '../../../src/wire/service.ts';
import { scratchDirectory } from '../fixtures.ts';

export interface Pems {
  key: Buffer;
  cert: Buffer;
}

export interface NumberedServerOptions {
  host?: string;
  port?: number;
  hasHealth?: boolean;
  tls?: Pems;
}

export class NumberedServer {
  readonly address: string;
  /** Calls with this status instead of an answer. */
  failure: status | undefined;
  calls = 0;
  readonly #grpc: Server;
  readonly #health: HealthImplementation;

  private constructor(grpc: Server, health: HealthImplementation, address: string) {
    this.#grpc = grpc;
    this.#health = health;
    this.address = address;
  }

  static async start(
    t: TestContext,
    number: number,
    options: NumberedServerOptions = {},
  ): Promise<NumberedServer> {
    const { hasHealth = true, host = '127.0.0.1', port = 0, tls } = options;
    const grpc = new Server();
    const health = new HealthImplementation({ [SERVICE_NAME]: 'SERVING' });
    if (hasHealth) health.addToServer(grpc);
    grpc.addService(transferService, {
      GetFileSize: (_call: unknown, done: sendUnaryData<{ size: number }>) => {
        server.calls += 1;
        if (server.failure === undefined) done(null, { size: number });
        else done({ code: server.failure, details: 'told to fail' });
      },
    });
    const credentials =
      tls === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(null, [{ private_key: tls.key, cert_chain: tls.cert }]);
    const bound = await new Promise<number>((resolve, reject) => {
      grpc.bindAsync(`${host}:${port}`, credentials, (error, at) => (error ? reject(error) : resolve(at)));
    });
    const server = new NumberedServer(grpc, health, `${host}:${bound}`);
    t.after(() => server.kill());
    return server;
  }

  get port(): number {
    return Number(this.address.slice(this.address.lastIndexOf(':') + 1));
  }

  says(state: 'SERVING' | 'NOT_SERVING'): void {
    this.#health.setStatus(SERVICE_NAME, state);
  }

  kill(): void {
    this.#grpc.forceShutdown();
  }
}

/** One that signs itself, for the names: `DNS:localhost`, `IP:127.0.0.2`. */
export async function certificateFor(t: TestContext, names: string): Promise<Pems> {
  const directory = await scratchDirectory(t);
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const args = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=sluice.test';
  const rest = ['-addext', `subjectAltName=${names}`, '-keyout', key, '-out', cert];
  execFileSync('openssl', [...args.split(' '), ...rest], { stdio: 'ignore' });
  return { key: readFileSync(key), cert: readFileSync(cert) };
}
