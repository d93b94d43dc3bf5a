/** The PEM files of a server's TLS, read together and checked as a whole. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions, type SecureVersion } from 'node:tls';
import { TransferError } from '../base/errors.ts';
import type { Config } from '../config/schema.ts';

/** What the files held at one moment, and the settings beside them. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** The authorities of clients; undefined where clients need no certificate. */
  readonly clientCa: Buffer | undefined;
  readonly minVersion: SecureVersion;
  /** Equal for what is equal. */
  readonly digest: string;
}

const CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]*-----END \1-----/g;
const BEGINNING = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/g;

/** Throws INVALID_CONFIG, naming the setting, when a file cannot be read. */
export async function readTlsFiles(tls: Config['tls']): Promise<TlsFiles> {
  const [cert, key, clientCa] = await Promise.all([
    readPem('tls.cert', tls.cert),
    readPem('tls.key', tls.key),
    tls.clientCa === '' ? undefined : readPem('tls.clientCa', tls.clientCa),
  ]);
  const digests = [cert, key, clientCa ?? ''].map((each) => createHash('sha256').update(each).digest('hex'));
  const digest = [...digests, tls.minVersion].join(' ');
  return { cert, key, clientCa, minVersion: tls.minVersion === '1.2' ? 'TLSv1.2' : 'TLSv1.3', digest };
}

/** For `createSecureContext`. Throws INVALID_CONFIG, naming the setting, unless it can be made of the files. */
export function contextOf({ cert, key, clientCa, minVersion }: TlsFiles): SecureContextOptions {
  checkCertificates('tls.cert', cert);
  if (clientCa !== undefined) checkCertificates('tls.clientCa', clientCa);
  const options = { cert, key, minVersion, ...(clientCa === undefined ? {} : { ca: clientCa }) };
  try {
    createSecureContext(options);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const problem = `tls.cert and tls.key do not make a valid pair of PEM files: ${why}`;
    throw new TransferError('INVALID_CONFIG', problem, { cause });
  }
  return options;
}

/** When the server's own certificate expires, as text. */
export function expiryOf({ cert }: TlsFiles): string {
  return new X509Certificate(cert).validTo;
}

async function readPem(setting: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new TransferError('INVALID_CONFIG', `${setting}: cannot read "${path}"`, { cause });
  }
}

/** Looks at every certificate: OpenSSL leaves out those that it cannot read, such as the end of a file half written. */
function checkCertificates(setting: string, pem: Buffer): void {
  const text = pem.toString('latin1');
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) {
    throw new TransferError('INVALID_CONFIG', `${setting}: the file holds no PEM certificate`);
  }
  if (certificates.length < (text.match(BEGINNING) ?? []).length) {
    throw new TransferError('INVALID_CONFIG', `${setting}: the end of a certificate is missing`);
  }
  for (const certificate of certificates) {
    try {
      new X509Certificate(certificate);
    } catch (cause) {
      const problem = `${setting}: the file holds a certificate that cannot be read`;
      throw new TransferError('INVALID_CONFIG', problem, { cause });
    }
  }
}
