/**
 * What an access file may say: tokens, issuers of JWTs and certificates that
 * prove identities, groups, rules, limits and quotas, each entry as it is valid
 * alone. docs/access.md describes the file.
 */
import { z } from 'zod';
import { parseBytes } from '../base/units.ts';
import { nameFault } from '../storage/name.ts';
import { isPathRight, RIGHTS } from './rights.ts';

/** Identities of the file itself; those of JWTs have a prefix with a colon, so neither can pass for the other. */
const OWN_NAME = /^[\w@+-][\w.@+-]{0,127}$/;

/** Asymmetric ones: with a shared secret, whoever can check a token can make one. */
const JWT_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
] as const;

/** Of a word of `who` that names a group. */
export const GROUP_PREFIX = 'group:';

/** Words of `who` that are no identities. */
export const EVERYONE = 'everyone';
export const AUTHENTICATED = 'authenticated';

const RESERVED = [EVERYONE, AUTHENTICATED, 'anonymous'];

const text = z.string().min(1, 'is empty');

/** The name of an identity of the file itself. */
export const ownName = z
  .string()
  .regex(OWN_NAME, 'is no name of an identity; use letters, digits and . _ @ + -, 128 characters at most')
  .refine((name) => !RESERVED.includes(name), 'is a reserved word; choose another name');

const time = z.iso
  .datetime({ offset: true, error: 'is no time; write it as 2027-01-31T12:00:00Z' })
  .transform((written) => Date.parse(written));

const sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'is no SHA-256; `sluice token NAME` prints the entry with 64 hexadecimal digits');

const pattern = z.string().superRefine((written, context) => {
  const fault = nameFault(written);
  if (fault !== undefined) context.addIssue(`as the pattern of a name, ${JSON.stringify(written)} ${fault}`);
});

const who = z.array(text).min(1, 'is empty; name identities, group:NAME, authenticated or everyone');

const tokenEntry = z.strictObject({ identity: ownName, sha256, expires: time.optional() });

const keysAt = z.string().refine(isUsablePlace, 'is no place of keys; give a file, or an https:// address');

const jwtEntry = z.strictObject({
  issuer: text,
  audience: z.union([text, z.array(text).min(1)]),
  algorithms: z
    .array(
      z.enum(JWT_ALGORITHMS, {
        error: `is no algorithm that is accepted; choose from ${JWT_ALGORITHMS.join(', ')}`,
      }),
    )
    .min(1, 'is empty; name the algorithms of the issuer'),
  jwks: keysAt,
  identity: text.default('sub'),
  groups: text.optional(),
  prefix: z
    .string()
    .regex(/^[\w.-]{1,64}:$/, 'is no prefix; write letters, digits, . _ - and a colon at the end')
    .default('jwt:'),
});

const certificateEntry = z
  .strictObject({
    identity: ownName,
    uri: text.optional(),
    dns: text.optional(),
    email: text.optional(),
    subject: text.optional(),
  })
  .refine(
    ({ dns, email, subject, uri }) =>
      [dns, email, subject, uri].filter((each) => each !== undefined).length === 1,
    'says not what the certificate has; give one of uri, dns, email and subject',
  );

const rule = z
  .strictObject({
    who,
    may: z
      .array(z.enum(RIGHTS, { error: `is no right; choose from ${RIGHTS.join(', ')}` }))
      .min(1, `is empty; choose from ${RIGHTS.join(', ')}`),
    on: z.array(pattern).min(1, 'is empty; give patterns such as models/**').optional(),
  })
  .refine(({ may, on }) => on !== undefined || !may.some(isPathRight), {
    path: ['on'],
    error: 'is missing; give patterns such as models/**, or ** for everything',
  });

const count = z.int('is not a whole number').min(1, 'is less than 1').max(1_000_000, 'is more than 1000000');

const byteCount = z.preprocess(
  (given) => (typeof given === 'string' ? (parseBytes(given) ?? given) : given),
  z.int('is no size; write it as 200MiB').min(1, 'is less than a byte'),
);

const amounts = z.strictObject({
  connections: count.optional(),
  streams: count.optional(),
  uploadStreams: count.optional(),
  calls: count.optional(),
  requests: count.optional(),
  uploads: count.optional(),
  /** Bytes a second. */
  rate: byteCount.optional(),
  /** Bytes that peers or the store have not taken yet. */
  inFlight: byteCount.optional(),
});

const limit = z.strictObject({
  who,
  /** For each identity that is meant. */
  each: amounts.optional(),
  /** For all of them together. */
  together: amounts.omit({ uploads: true }).optional(),
  weight: z.int('is not a whole number').min(1).max(100, 'is more than 100').optional(),
});

const quota = z
  .strictObject({
    on: z.string().superRefine((written, context) => {
      const fault = nameFault(written);
      if (fault !== undefined) context.addIssue(`the name ${JSON.stringify(written)} ${fault}`);
    }),
    files: z.int('is not a whole number').min(1).optional(),
    bytes: byteCount.optional(),
  })
  .refine(
    ({ bytes, files }) => bytes !== undefined || files !== undefined,
    'limits nothing; give files or bytes',
  );

/** The whole file. */
export const accessSchema = z.strictObject({
  tokens: z.array(tokenEntry).default([]),
  jwt: z.array(jwtEntry).default([]),
  certificates: z.array(certificateEntry).default([]),
  groups: z.record(ownName, z.array(text)).default({}),
  rules: z.array(rule).default([]),
  limits: z.array(limit).default([]),
  quotas: z.array(quota).default([]),
});

/** What an access file says, checked and completed. Times are milliseconds since the epoch. */
export type AccessRules = z.infer<typeof accessSchema>;

export type JwtIssuer = AccessRules['jwt'][number];

export type AccessRule = AccessRules['rules'][number];

/** The name of the group in a word of `who`; undefined where it names none. */
export function groupIn(word: string): string | undefined {
  return word.startsWith(GROUP_PREFIX) ? word.slice(GROUP_PREFIX.length) : undefined;
}

/** Keys that come unencrypted could be anybody's; on this machine they are what a test or a sidecar serves. */
function isUsablePlace(place: string): boolean {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(place)) return place !== '';
  const { hostname, protocol } = URL.canParse(place) ? new URL(place) : { hostname: '', protocol: '' };
  return (
    protocol === 'https:' ||
    (protocol === 'http:' && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname))
  );
}
