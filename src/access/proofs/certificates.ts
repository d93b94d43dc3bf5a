/** Certificates of clients, mapped to identities by what is in them. TLS has checked who signed them. */
import type { X509Certificate } from 'node:crypto';
import type { AccessRules } from '../access-schema.ts';
import type { Identity } from '../identity.ts';

type CertificateEntry = AccessRules['certificates'][number];

/** How Node names the kinds of alternative names. */
const KINDS = { uri: 'URI', dns: 'DNS', email: 'email' } as const;

export class Certificates {
  readonly #entries: readonly CertificateEntry[];
  /** A certificate is looked at once for each connection. */
  readonly #known = new WeakMap<X509Certificate, Identity | null>();

  constructor(entries: AccessRules['certificates']) {
    this.#entries = entries;
  }

  /** Of the first entry that it meets, expired or not; null where it meets none. */
  identityOf(certificate: X509Certificate): Identity | null {
    let identity = this.#known.get(certificate);
    if (identity === undefined) {
      identity = this.#find(certificate);
      this.#known.set(certificate, identity);
    }
    return identity;
  }

  #find(certificate: X509Certificate): Identity | null {
    const names = alternativeNames(certificate.subjectAltName ?? '');
    const subject = certificate.subject.split('\n');
    const found = this.#entries.find((entry) => isMet(entry, names, subject));
    if (found === undefined) return null;
    return {
      name: found.identity,
      groups: [],
      proof: 'certificate',
      expiresMs: Date.parse(certificate.validTo),
    };
  }
}

/** @param subject its attributes, such as `CN=backup` */
function isMet(entry: CertificateEntry, names: ReadonlySet<string>, subject: readonly string[]): boolean {
  if (entry.subject !== undefined)
    return entry.subject.split(/(?<!\\), */).every((attribute) => subject.includes(attribute));
  for (const [key, kind] of Object.entries(KINDS) as [keyof typeof KINDS, string][]) {
    const wanted = entry[key];
    if (wanted !== undefined) return names.has(`${kind}:${wanted}`);
  }
  return false;
}

/** One name: its kind, and its value, which is in JSON where it has a character that could pass for a separator. */
const NAME = /([A-Za-z][A-Za-z ]*):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;

/** Of a certificate, as Node writes them: `DNS:a.example, URI:spiffe://…`. None where any part is not understood. */
function alternativeNames(text: string): ReadonlySet<string> {
  const names = new Set<string>();
  NAME.lastIndex = 0;
  while (NAME.lastIndex < text.length) {
    const [, kind = '', value = ''] = NAME.exec(text) ?? [];
    if (kind === '') return new Set();
    names.add(`${kind}:${value.startsWith('"') ? (JSON.parse(value) as string) : value}`);
  }
  return names;
}
