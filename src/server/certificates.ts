/**
 * TLS of the server, from the files that the configuration names. They are read
 * again every second, by content: time stamps miss quick changes, and file
 * watches miss the exchanged symbolic links of a Kubernetes secret.
 *
 * Invariant: the credentials always hold a pair that belongs together. Files
 * that cannot be used change nothing. Connections that exist keep what they have.
 */
import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { Mutex } from '../base/async/mutex.ts';
import { TransferError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Config } from '../config/schema.ts';
import type { Reloadable } from './reload.ts';
import { contextOf, expiryOf, readTlsFiles, type TlsFiles } from './tls-files.ts';

const LOOK_EVERY_MS = 1000;

type TlsConfig = Config['tls'];

/** The certificates of a server, renewed while it runs. */
export class Certificates implements Reloadable {
  readonly what = 'certificates';
  readonly keys = ['tls.cert', 'tls.key', 'tls.clientCa', 'tls.minVersion'];
  readonly #credentials: RenewableCredentials;
  readonly #logger: Logger;
  readonly #turn = new Mutex();
  #tls: TlsConfig;
  /** The files as they were used, or found useless, the last time. */
  #judged: string;
  /** The files at the last look. */
  #seen = '';
  #inUse: string;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #context: SecureContextOptions;
  readonly #onRenewed: ((context: SecureContextOptions) => void)[] = [];

  private constructor(tls: TlsConfig, files: TlsFiles, logger: Logger) {
    this.#credentials = new RenewableCredentials(tls, files);
    this.#context = contextOf(files);
    this.#logger = logger;
    this.#tls = tls;
    this.#inUse = files.digest;
    this.#judged = files.digest;
  }

  /** Throws INVALID_CONFIG, naming the setting, when a file cannot be used. */
  static async open(tls: TlsConfig, logger: Logger): Promise<Certificates> {
    const files = await readTlsFiles(tls);
    contextOf(files);
    return new Certificates(tls, files, logger);
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
    return await this.#turn.run(async () => {
      const renewed = this.#use(await readTlsFiles(tls));
      this.#tls = tls;
      return renewed;
    });
  }

  /** Looks at the files from now on, until `close`. */
  follow(): void {
    this.#timer = setTimeout(() => void this.#turn.run(() => this.#look()), LOOK_EVERY_MS).unref();
  }

  /** Safe to call twice. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** What is the same at two looks is not being written any more. */
  async #look(): Promise<void> {
    const found = await readTlsFiles(this.#tls).catch((reason: unknown) => TransferError.from(reason));
    const now = found instanceof TransferError ? found.message : found.digest;
    if (now === this.#seen && now !== this.#judged) this.#judge(found);
    this.#seen = now;
    if (!this.#isClosed) this.follow();
  }

  #judge(found: TlsFiles | TransferError): void {
    try {
      if (found instanceof TransferError) {
        this.#judged = found.message;
        throw found;
      }
      const renewed = this.#use(found);
      if (renewed !== null) this.#logger.info({}, `certificates were renewed: ${renewed}`);
    } catch (reason) {
      const problem = TransferError.from(reason).message;
      this.#logger.warn({ problem }, 'the certificate files cannot be used; the last good ones stay in use');
    }
  }

  #use(files: TlsFiles): string | null {
    this.#judged = files.digest;
    const context = contextOf(files);
    if (files.digest === this.#inUse) return null;
    this.#credentials.renew(context);
    this.#context = context;
    for (const renewed of this.#onRenewed) renewed(context);
    this.#inUse = files.digest;
    return `valid until ${expiryOf(files)}`;
  }
}

/**
 * grpc-js sets a new context on its TLS servers when credentials change. With the context the keys of session
 * tickets change, so a client that is no longer admitted cannot resume an earlier session either.
 */
class RenewableCredentials extends ServerCredentials {
  constructor({ clientCa, clientCert }: TlsConfig, files: TlsFiles) {
    super({ requestCert: clientCa !== '', rejectUnauthorized: clientCert === 'require' }, contextOf(files));
  }

  renew(context: ReturnType<typeof contextOf>): void {
    this.updateSecureContextOptions(context);
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}
