/** The mistakes of an access file in words, each with its place and the remedy. */
import { z } from 'zod';
import { nearestName } from '../config/nearest-name.ts';
import { type AccessRules, AUTHENTICATED, accessSchema, EVERYONE, GROUP_PREFIX } from './access-schema.ts';

/** One mistake, and where in the file it is. */
interface Problem {
  readonly at: readonly PropertyKey[];
  readonly what: string;
}

/** Words what the schema found. */
export function problemsOf(issue: z.core.$ZodIssue): Problem[] {
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
  let at: unknown = accessSchema;
  for (const step of path) at = memberOf(at, step);
  return Object.keys(objectIn(at)?.shape ?? accessSchema.shape);
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
export function placeOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the file';
  return path
    .map((step, index) =>
      typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${String(step)}`,
    )
    .join('');
}

/** What is wrong with entries that are each valid alone. */
export function relationProblems(rules: AccessRules): Problem[] {
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
export function memberProblems(rules: AccessRules, name: string, at: readonly PropertyKey[]): Problem[] {
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
