/** Where the thread programs are: files of their own beside the compiled library. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TransferError } from '../../base/errors.ts';

/**
 * The URL of `workers/NAME.js`, as piscina takes it. Asked for when threads
 * start and not before, because a bundled client has neither files nor, as
 * CommonJS, a URL of its own.
 *
 * Throws INVALID_CONFIG where there is no such file.
 */
export function workerFile(name: 'main' | 'hash-file'): string {
  const own: string | undefined = import.meta.url;
  const url = own === undefined ? undefined : new URL(`../../../workers/${name}.js`, own);
  if (url !== undefined && existsSync(fileURLToPath(url))) return url.href;
  throw new TransferError(
    'INVALID_CONFIG',
    'a server cannot run from a bundle: its worker threads are files of the package sluice; tell the bundler that sluice is external',
  );
}
