/**
 * TLS of a client from PEM files, which may be renewed while it lives. Connections
 * that exist keep what they have; the next ones use what the files hold then.
 */
import { createSecureContext, type SecureContext } from 'node:tls';
import { TransferError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { contextOf, type PemPaths, readPemFilesSync } from '../../base/tls/pem-files.ts';
import { PemWatch } from '../../base/tls/pem-watch.ts';

export class RenewableTls {
  readonly #watch: PemWatch;
  #context: SecureContext;

  /** Throws INVALID_ARGUMENT for files that cannot be used now. */
  constructor(paths: PemPaths, logger: Logger) {
    try {
      const files = readPemFilesSync(paths);
      this.#context = createSecureContext(contextOf(files));
      this.#watch = new PemWatch(paths, files, logger, (context) => {
        this.#context = createSecureContext(context);
      });
    } catch (reason) {
      const { message } = TransferError.from(reason);
      throw new TransferError('INVALID_ARGUMENT', message, { cause: reason });
    }
  }

  /** Another one behind each change of the files. */
  get context(): SecureContext {
    return this.#context;
  }

  /** Looks at the files from now on, until `close`. */
  follow(): void {
    this.#watch.follow();
  }

  /** Safe to call twice. */
  close(): void {
    this.#watch.close();
  }
}
