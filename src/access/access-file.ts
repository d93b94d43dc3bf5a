/**
 * The access file: tokens, issuers of JWTs and certificates that prove identities,
 * groups, and rules. All mistakes of a file are reported at once, each with its
 * line and the remedy. docs/access.md describes the file.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { errnoOf, TransferError } from '../base/errors.ts';
import { parseBytes } from '../base/units.ts';
import { nearestName } from '../config/nearest-name.ts';
import { parseYaml } from '../config/yaml-text.ts';
import { nameFault } from '../storage/name.ts';
import { isPathRight, RIGHTS } from './rights.ts';

/** Longer files are no access files. */
const MAX_FILE_CHARS = 4 * 1024 * 1024;

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

const GROUP_PREFIX = 'group:';

/** Words of `who` that are no identities. */
export const EVERYONE = 'everyone';
export const AUTHENTICATED = 'authenticated';

const RESERVED = [EVERYONE, AUTHENTICATED, 'anonymous'];

const text = z.string().min(1, 'is empty');

const ownName = z
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

const schema = z.strictObject({
  tokens: z.array(tokenEntry).default([]),
  jwt: z.array(jwtEntry).default([]),
  certificates: z.array(certificateEntry).default([]),
  groups: z.record(ownName, z.array(text)).default({}),
  rules: z.array(rule).default([]),
  limits: z.array(limit).default([]),
  quotas: z.array(quota).default([]),
});

/** What an access file says, checked and completed. Times are milliseconds since the epoch. */
export type AccessRules = z.infer<typeof schema>;

export type JwtIssuer = AccessRules['jwt'][number];

export type AccessRule = AccessRules['rules'][number];

/** The access file `path`. Throws INVALID_CONFIG with one line for each mistake. */
export async function readAccessFile(path: string): Promise<AccessRules> {
  let written: string;
  try {
    written = await readFile(path, 'utf8');
  } catch (cause) {
    const why = errnoOf(cause) === 'ENOENT' ? 'there is no such file' : `cannot be read (${errnoOf(cause)})`;
    throw new TransferError('INVALID_CONFIG', `access ${path}: ${why}`, { cause });
  }
  return parseAccess(written, path);
}

/** As `readAccessFile`; `path` is for messages only. */
export function parseAccess(written: string, path: string): AccessRules {
  if (written.length > MAX_FILE_CHARS) throw unusable(path, ['is longer than any access file']);
  const { lineAt, problems, value } = parseYaml(written);
  if (problems.length > 0) throw unusable(path, problems);
  const result = schema.safeParse(value ?? {}, { reportInput: true });
  if (!result.success) {
    const told = result.error.issues.flatMap((issue) => problemsOf(issue).map((each) => ({ ...each })));
    throw unusable(
      path,
      told.map(({ at, what }) => `line ${lineAt(at)}: ${placeOf(at)} ${what}`),
    );
  }
  const relations = relationProblems(result.data).map(
    ({ at, what }) => `line ${lineAt(at)}: ${placeOf(at)} ${what}`,
  );
  if (relations.length > 0) throw unusable(path, relations);
  return result.data;
}

/** Throws INVALID_CONFIG for what cannot be the name of an identity of an access file. */
export function requireOwnName(name: string): void {
  const [issue] = ownName.safeParse(name).error?.issues ?? [];
  if (issue !== undefined)
    throw new TransferError('INVALID_CONFIG', `${JSON.stringify(name)} ${issue.message}`);
}

/** Throws INVALID_CONFIG for an identity that nothing in the file proves. */
export function requireKnown(rules: AccessRules, name: string): void {
  const [problem] = memberProblems(rules, name, []);
  if (problem !== undefined)
    throw new TransferError('INVALID_CONFIG', `${JSON.stringify(name)} ${problem.what}`);
}

interface Problem {
  readonly at: readonly PropertyKey[];
  readonly what: string;
}

function problemsOf(issue: z.core.$ZodIssue): Problem[] {
  const { path } = issue;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        at: [...path, key],
        what: `is not known here; did you mean ${nearestName(key, knownKeysAt(path))}?`,
      }));
    case 'invalid_type':
      return [
        {
          at: path,
          what:
            issue.input === undefined ? 'is missing' : `is not ${ARTICLES[issue.expected] ?? issue.expected}`,
        },
      ];
    case 'invalid_key':
      return issue.issues.map(({ message }) => ({ at: path, what: message }));
    default:
      return [{ at: path, what: issue.message }];
  }
}

const ARTICLES: Readonly<Record<string, string>> = {
  string: 'text',
  array: 'a list',
  object: 'a group of keys',
  record: 'a group of keys',
};

/** Of the object at `path`: its keys are those of the schema there. */
function knownKeysAt(path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const step of path) at = memberOf(at, step);
  return Object.keys(objectIn(at)?.shape ?? schema.shape);
}

function memberOf(at: unknown, step: PropertyKey): unknown {
  const inner = unwrapped(at);
  if (inner instanceof z.ZodArray) return inner.element;
  return inner instanceof z.ZodObject ? inner.shape[String(step)] : undefined;
}

function objectIn(at: unknown): z.ZodObject | undefined {
  const inner = unwrapped(at);
  return inner instanceof z.ZodObject ? inner : undefined;
}

function unwrapped(at: unknown): unknown {
  return at instanceof z.ZodDefault || at instanceof z.ZodOptional ? unwrapped(at.unwrap()) : at;
}

/** `rules[0].may[1]` */
function placeOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the file';
  return path
    .map((step, index) =>
      typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${String(step)}`,
    )
    .join('');
}

/** What is wrong with entries that are each valid alone. */
function relationProblems(rules: AccessRules): Problem[] {
  const { jwt, limits, tokens } = rules;
  return [
    ...repeated(tokens.map(({ sha256: hash }) => hash)).map((index) => ({
      at: ['tokens', index, 'sha256'],
      what: 'is that of an entry above; each token has one entry',
    })),
    ...repeated(jwt.map(({ prefix }) => prefix)).map((index) => ({
      at: ['jwt', index, 'prefix'],
      what: `is that of an issuer above, whose identities have the same names; give this one a prefix of its own, such as "corp:"`,
    })),
    ...repeated(jwt.map(({ issuer }) => issuer)).map((index) => ({
      at: ['jwt', index, 'issuer'],
      what: 'has an entry above; give an issuer one entry, with all audiences',
    })),
    ...rules.rules.flatMap(({ who: names }, index) => whoProblems(rules, names, ['rules', index, 'who'])),
    ...limits.flatMap(({ who: names }, index) => whoProblems(rules, names, ['limits', index, 'who'])),
    ...Object.entries(rules.groups).flatMap(([group, names]) =>
      names.flatMap((name, index) => memberProblems(rules, name, ['groups', group, index])),
    ),
  ];
}

/** Indexes of values that stand before, too. */
function repeated(values: readonly string[]): number[] {
  return values.flatMap((value, index) => (values.indexOf(value) < index ? [index] : []));
}

function whoProblems(rules: AccessRules, names: readonly string[], at: readonly PropertyKey[]): Problem[] {
  return names.flatMap((name, index) => {
    if (name === EVERYONE || name === AUTHENTICATED) return [];
    if (!name.startsWith(GROUP_PREFIX)) return memberProblems(rules, name, [...at, index]);
    const group = name.slice(GROUP_PREFIX.length);
    if (Object.hasOwn(rules.groups, group) || isOfIssuer(rules, group)) return [];
    return [
      {
        at: [...at, index],
        what: `names a group that is not below groups; ${didYouMean(group, Object.keys(rules.groups))}`,
      },
    ];
  });
}

/** An identity of nobody is a slip of the pen that would silently deny. */
function memberProblems(rules: AccessRules, name: string, at: readonly PropertyKey[]): Problem[] {
  const known = [...rules.tokens, ...rules.certificates].map(({ identity }) => identity);
  if (known.includes(name) || isOfIssuer(rules, name)) return [];
  return [
    {
      at,
      what: `names an identity that no entry of tokens, jwt or certificates has; ${didYouMean(name, known)}`,
    },
  ];
}

function isOfIssuer({ jwt }: AccessRules, name: string): boolean {
  return jwt.some(({ prefix }) => name.startsWith(prefix) && name.length > prefix.length);
}

function didYouMean(name: string, known: readonly string[]): string {
  return known.length === 0 ? 'there is none yet' : `did you mean ${nearestName(name, known)}?`;
}

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

function unusable(path: string, problems: readonly string[]): TransferError {
  return new TransferError(
    'INVALID_CONFIG',
    problems.map((problem) => `access ${path}: ${problem}`).join('\n'),
  );
}
