import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAccess } from '../../src/access/access-file.ts';
import { ANONYMOUS, type Identity } from '../../src/access/identity.ts';
import { FilePolicy } from '../../src/access/policy.ts';
import { PATH_RIGHTS, SERVER_RIGHTS } from '../../src/access/rights.ts';

function known(name: string, groups: readonly string[] = []): Identity {
  return { name, groups, proof: 'token', expiresMs: Number.POSITIVE_INFINITY };
}

function policyOf(content: object): FilePolicy {
  const tokens = ['ci', 'bob'].map((identity, index) => ({ identity, sha256: `${index}`.repeat(64) }));
  const issuer = { issuer: 'i', audience: 'a', algorithms: ['ES256'], jwks: 'keys.json', groups: 'groups' };
  return new FilePolicy(parseAccess(JSON.stringify({ tokens, jwt: [issuer], ...content }), 'access.yaml'));
}

test('nothing is allowed where no rule is, to anybody', () => {
  const policy = policyOf({});
  for (const identity of [ANONYMOUS, known('ci')]) {
    for (const right of PATH_RIGHTS) assert.equal(policy.may(identity, right, ['a']), false);
    for (const right of SERVER_RIGHTS) assert.equal(policy.mayServer(identity, right), false);
    assert.equal(policy.mayLook(identity, []), false);
  }
});

test('a rule means identities, groups of the file, groups of a JWT, the authenticated, or everyone', () => {
  const rule = (who: string, directory: string) => ({ who: [who], may: ['read'], on: [`${directory}/**`] });
  const policy = policyOf({
    groups: { builders: ['ci', 'jwt:alice'] },
    rules: [
      rule('ci', 'own'),
      rule('group:builders', 'built'),
      rule('group:jwt:staff', 'staff'),
      rule('authenticated', 'all'),
      rule('everyone', 'public'),
    ],
  });
  const readable = (identity: Identity) =>
    ['own', 'built', 'staff', 'all', 'public'].filter((directory) =>
      policy.may(identity, 'read', [directory]),
    );

  assert.deepEqual(readable(ANONYMOUS), ['public']);
  assert.deepEqual(readable(known('ci')), ['own', 'built', 'all', 'public']);
  assert.deepEqual(readable(known('bob')), ['all', 'public']);
  assert.deepEqual(readable(known('jwt:alice')), ['built', 'all', 'public']);
  assert.deepEqual(readable(known('jwt:eve', ['jwt:staff'])), ['staff', 'all', 'public']);
  // What an issuer claims has its prefix; the name of a group of the file alone is claimed by nobody.
  assert.deepEqual(readable(known('jwt:eve', ['jwt:builders'])), ['all', 'public']);
});

test('rights on the server need no names', () => {
  const policy = policyOf({ rules: [{ who: ['ci'], may: ['observe'] }] });

  assert.equal(policy.mayServer(known('ci'), 'observe'), true);
  assert.equal(policy.mayServer(known('ci'), 'control'), false);
  assert.equal(policy.mayServer(ANONYMOUS, 'observe'), false);
});

test('a decision names its rule, the word that meant the caller and the pattern', () => {
  const policy = policyOf({
    rules: [
      { who: ['bob'], may: ['read'], on: ['**'] },
      { who: ['bob', 'authenticated'], may: ['write', 'read'], on: ['x', 'a/*'] },
    ],
  });

  assert.deepEqual(policy.grantOf(known('ci'), 'read', ['a', 'b']), {
    rule: 1,
    who: 'authenticated',
    pattern: 'a/*',
  });
  assert.equal(policy.grantOf(known('ci'), 'delete', ['a', 'b']), null);
});
