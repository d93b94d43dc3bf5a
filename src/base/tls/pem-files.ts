/** The PEM files of one side's TLS, read together and checked as a whole. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { errnoOf, TransferError } from '../errors.ts';

const KINDS = ['cert', 'key', 'ca'] as const;

type Kind = (typeof KINDS)[number];

/** Which files there are. */
export interface PemPaths {
  /** The own certificate and its key; '': none. */
  readonly cert: string;
  readonly key: string;
  /** The authorities of the other side; '': none. */
  readonly ca: string;
  readonly minVersion: '1.2' | '1.3';
  /** What whoever set the paths calls them. */
  readonly names: Readonly<Record<Kind, string>>;
}

/** What the files held at one moment, and the settings beside them. */
export interface PemFiles extends Pick<PemPaths, 'minVersion' | 'names'> {
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  readonly ca: Buffer | undefined;
  /** Equal for what is equal. */
  readonly digest: string;
}

const CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]*-----END \1-----/g;
const BEGINNING = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/g;

/** Throws INVALID_CONFIG, naming the setting, when a file cannot be read. */
export async function readPemFiles(paths: PemPaths): Promise<PemFiles> {
  const pems = await Promise.all(
    KINDS.map(async (kind) => {
      if (paths[kind] === '') return undefined;
      return await readFile(paths[kind]).catch((cause: unknown) => {
        throw unreadable(paths, kind, cause);
      });
    }),
  );
  return filesOf(paths, pems);
}

/** As `readPemFiles`, at once. */
export function readPemFilesSync(paths: PemPaths): PemFiles {
  const pems = KINDS.map((kind) => {
    try {
      return paths[kind] === '' ? undefined : readFileSync(paths[kind]);
    } catch (cause) {
      throw unreadable(paths, kind, cause);
    }
  });
  return filesOf(paths, pems);
}

/** For `createSecureContext`. Throws INVALID_CONFIG, naming the setting, unless it can be made of the files. */
export function contextOf({ ca, cert, key, minVersion, names }: PemFiles): SecureContextOptions {
  if (cert !== undefined) checkCertificates(names.cert, cert);
  if (ca !== undefined) checkCertificates(names.ca, ca);
  const options: SecureContextOptions = {
    minVersion: `TLSv${minVersion}`,
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(ca === undefined ? {} : { ca }),
  };
  try {
    createSecureContext(options);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const problem = `${names.cert} and ${names.key} do not make a valid pair of PEM files: ${why}`;
    throw new TransferError('INVALID_CONFIG', problem, { cause });
  }
  return options;
}

/** When the first certificate expires, the own where there is one, as text. */
export function expiryOf({ ca, cert }: PemFiles): string {
  return new X509Certificate((cert ?? ca) as Buffer).validTo;
}

function filesOf({ minVersion, names }: PemPaths, pems: readonly (Buffer | undefined)[]): PemFiles {
  const [cert, key, ca] = pems;
  const digests = pems.map((each) =>
    createHash('sha256')
      .update(each ?? '')
      .digest('hex'),
  );
  return { cert, key, ca, minVersion, names, digest: [...digests, minVersion].join(' ') };
}

function unreadable({ names, ...paths }: PemPaths, kind: Kind, cause: unknown): TransferError {
  const why = errnoOf(cause) === 'ENOENT' ? 'there is no such file' : `cannot be read (${errnoOf(cause)})`;
  return new TransferError('INVALID_CONFIG', `${names[kind]} ${paths[kind]}: ${why}`, { cause });
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
