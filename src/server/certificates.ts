/**
 * TLS of the server, from the files that the configuration names, renewed while it
 * runs. Connections that exist keep what they have.
 */
import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { TransferError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { contextOf, type PemFiles, type PemPaths, readPemFiles } from '../base/tls/pem-files.ts';
import { PemWatch } from '../base/tls/pem-watch.ts';
import type { Config } from '../config/schema.ts';
import type { Reloadable } from './reload.ts';

type TlsConfig = Config['tls'];

/** The certificates of a server. */
export class Certificates implements Reloadable {
  readonly what = 'certificates';
  readonly keys = ['tls.cert', 'tls.key', 'tls.clientCa', 'tls.minVersion'];
  readonly #credentials: RenewableCredentials;
  readonly #watch: PemWatch;
  #tls: TlsConfig;
  #context: SecureContextOptions;
  readonly #onRenewed: ((context: SecureContextOptions) => void)[] = [];

  private constructor(tls: TlsConfig, files: PemFiles, logger: Logger) {
    this.#context = contextOf(files);
    this.#credentials = new RenewableCredentials(tls, this.#context);
    this.#tls = tls;
    this.#watch = new PemWatch(pathsOf(tls), files, logger, (context) => this.#renew(context));
  }

  /** Throws INVALID_CONFIG, naming the setting, when a file cannot be used. */
  static async open(tls: TlsConfig, logger: Logger): Promise<Certificates> {
    return new Certificates(tls, await readPemFiles(pathsOf(tls)), logger);
  }

  get credentials(): ServerCredentials {
    return this.#credentials;
  }

  /** What is in use now, for `createSecureContext`. */
  get context(): SecureContextOptions {
    return this.#context;
  }

  /** Calls `listener` with each later context. */
  onRenewed(listener: (context: SecureContextOptions) => void): void {
    this.#onRenewed.push(listener);
  }

  /** Reads the files that `config` names, and uses them at once. */
  async reload({ tls }: Config): Promise<string | null> {
    const before = this.#tls;
    if ((tls.cert === '') !== (before.cert === '') || (tls.clientCa === '') !== (before.clientCa === '')) {
      const problem = 'tls.cert and tls.clientCa cannot be set or unset while the server runs; restart it';
      throw new TransferError('INVALID_CONFIG', problem);
    }
    const renewed = await this.#watch.reload(pathsOf(tls));
    this.#tls = tls;
    return renewed;
  }

  /** Looks at the files from now on, until `close`. */
  follow(): void {
    this.#watch.follow();
  }

  /** Safe to call twice. */
  close(): void {
    this.#watch.close();
  }

  #renew(context: SecureContextOptions): void {
    this.#credentials.renew(context);
    this.#context = context;
    for (const renewed of this.#onRenewed) renewed(context);
  }
}

function pathsOf({ cert, clientCa, key, minVersion }: TlsConfig): PemPaths {
  const names = { cert: 'tls.cert', key: 'tls.key', ca: 'tls.clientCa' };
  return { cert, key, ca: clientCa, minVersion, names };
}

/**
 * grpc-js sets a new context on its TLS servers when credentials change. With the context the keys of session
 * tickets change, so a client that is no longer admitted cannot resume an earlier session either.
 */
class RenewableCredentials extends ServerCredentials {
  constructor({ clientCa, clientCert }: TlsConfig, context: SecureContextOptions) {
    super({ requestCert: clientCa !== '', rejectUnauthorized: clientCert === 'require' }, context);
  }

  renew(context: SecureContextOptions): void {
    this.updateSecureContextOptions(context);
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}
