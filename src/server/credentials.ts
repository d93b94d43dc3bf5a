/** TLS of the server, from the files that the configuration names. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { TransferError } from '../base/errors.ts';
import type { Config } from '../config/schema.ts';

/** Throws INVALID_CONFIG, naming the setting, when a file cannot be used. */
export async function serverCredentials(tls: Config['tls']): Promise<ServerCredentials> {
  if (tls.cert === '') return ServerCredentials.createInsecure();
  const cert = await readPem('tls.cert', tls.cert);
  const key = await readPem('tls.key', tls.key);
  const clientCa = tls.clientCa === '' ? null : await readPem('tls.clientCa', tls.clientCa);
  if (clientCa !== null) requireCertificate('tls.clientCa', clientCa);
  try {
    createSecureContext({ cert, key, ...(clientCa === null ? {} : { ca: clientCa }) });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TransferError(
      'INVALID_CONFIG',
      `tls.cert and tls.key do not make a valid pair of PEM files: ${why}`,
      {
        cause,
      },
    );
  }
  return ServerCredentials.createSsl(clientCa, [{ cert_chain: cert, private_key: key }], clientCa !== null);
}

async function readPem(setting: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new TransferError('INVALID_CONFIG', `${setting}: cannot read "${path}"`, { cause });
  }
}

/** OpenSSL takes a file without any certificate for an empty list of authorities. */
function requireCertificate(setting: string, pem: Buffer): void {
  try {
    new X509Certificate(pem);
  } catch (cause) {
    throw new TransferError('INVALID_CONFIG', `${setting}: the file holds no PEM certificate`, { cause });
  }
}
