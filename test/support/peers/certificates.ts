/** Certificates made on the spot, with the openssl command. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** For the option `skip` of tests that need certificates. */
export const withoutOpenssl =
  spawnSync('openssl', ['version']).status === 0
    ? false
    : 'this machine has no openssl command to make certificates with';

/** Paths of PEM files. */
export interface Certificate {
  cert: string;
  key: string;
}

const NEW_KEY = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'.split(' ');
const NAMES = 'DNS:localhost,IP:127.0.0.1';

/** A certificate for localhost or `names`, signed by itself: its own authority. */
export function selfSigned(directory: string, name: string, names = NAMES): Certificate {
  return make(directory, name, ['-addext', `subjectAltName=${names}`]);
}

/** A certificate for localhost that `authority` has signed. */
export function signedBy(authority: Certificate, directory: string, name: string): Certificate {
  const signer = ['-CA', authority.cert, '-CAkey', authority.key];
  return make(directory, name, [
    ...signer,
    '-addext',
    `subjectAltName=${NAMES}`,
    '-addext',
    'basicConstraints=critical,CA:FALSE',
  ]);
}

function make(directory: string, name: string, args: readonly string[]): Certificate {
  const pair = { cert: join(directory, `${name}.pem`), key: join(directory, `${name}.key`) };
  const files = ['-subj', `/CN=${name}`, '-keyout', pair.key, '-out', pair.cert];
  const made = spawnSync('openssl', [...NEW_KEY, ...args, ...files]);
  assert.equal(made.status, 0, made.stderr.toString());
  return pair;
}

/** The contents of the files. */
export function pemsOf({ cert, key }: Certificate): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(cert), key: readFileSync(key) };
}
