/** The access control of a server, from its access file and the functions that it was given. */
import type { Access } from '../access/access.ts';
import { FileAccess } from '../access/file-access.ts';
import { type AccessFunctions, OwnAccess } from '../access/own-access.ts';
import type { Logger } from '../base/logger.ts';
import type { Config } from '../config/schema.ts';

export interface ServerAccess {
  /** null: everybody may do everything. */
  readonly access: Access | null;
  /** What of it can be reloaded. */
  readonly file: FileAccess | null;
}

/** Throws INVALID_CONFIG, with all mistakes of the file. */
export async function openAccess(
  { access: path, tls }: Config,
  { authenticate, authorize }: AccessFunctions,
  logger: Logger,
): Promise<ServerAccess> {
  const file = path === '' ? null : await FileAccess.open(path, { logger, hasClientCa: tls.clientCa !== '' });
  const hasFunctions = authenticate !== undefined || authorize !== undefined;
  return { access: hasFunctions ? new OwnAccess({ authenticate, authorize }, file) : file, file };
}
