import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseAccess } from '../../src/access/access-file.ts';
import { TransferError } from '../../src/base/errors.ts';

const HASH = 'a'.repeat(64);

function problemsOf(text: string): string[] {
  try {
    parseAccess(text, 'access.yaml');
  } catch (error) {
    assert.ok(error instanceof TransferError);
    assert.equal(error.code, 'INVALID_CONFIG');
    return error.message.split('\n').map((line) => line.replace(/^access access\.yaml: /, ''));
  }
  return [];
}

describe('an access file', () => {
  it('may be empty: nobody may do anything', () => {
    assert.deepEqual(parseAccess('', 'x').rules, []);
    assert.deepEqual(parseAccess('# nothing yet\n', 'x').tokens, []);
  });

  it('is what docs/access.md shows', () => {
    const page = readFileSync(new URL('../../../docs/access.md', import.meta.url), 'utf8');
    const [, example = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? [];
    const rules = parseAccess(example.replace('5f3c…', HASH), 'docs/access.md');

    assert.equal(rules.tokens[0]?.expires, Date.parse('2027-01-01T00:00:00Z'));
    assert.deepEqual(rules.limits[0]?.each, {
      connections: 8,
      streams: 64,
      uploadStreams: 16,
      uploads: 100,
      rate: 200 * 1024 * 1024,
      inFlight: 64 * 1024 * 1024,
    });
    assert.equal(rules.quotas[0]?.bytes, 1024 ** 4);
  });

  it('tells of all mistakes at once, each with its line, its place and the remedy', () => {
    const problems = problemsOf(
      [
        'tokens:',
        '  - identity: "a b"',
        `    sha256: ${HASH}`,
        '  - identity: ci',
        '    sha265: xyz',
        '    expires: tomorrow',
        'rules:',
        '  - who: [ci]',
        '    may: [read, destroy]',
        '    on: ["/etc/**", "a//b"]',
        '  - who: []',
        '    may: [write]',
        'jwt:',
        '  - { issuer: i, audience: a, algorithms: [HS256, none], jwks: "http://keys.example.org" }',
        'grupos: {}',
      ].join('\n'),
    );

    const about = (start: string) => problems.filter((problem) => problem.startsWith(start));
    assert.match(String(about('line 2: tokens[0].identity ')), /is no name of an identity; use letters/);
    assert.match(String(about('line 4: tokens[1].sha256 ')), /is missing/);
    assert.match(String(about('line 5: tokens[1].sha265 ')), /is not known here; did you mean sha256\?/);
    assert.match(String(about('line 6: tokens[1].expires ')), /is no time; write it as/);
    assert.match(String(about('line 9: rules[0].may[1] ')), /is no right; choose from read, list/);
    assert.match(String(about('line 10: rules[0].on[0] ')), /is absolute; remove the leading/);
    assert.match(String(about('line 10: rules[0].on[1] ')), /empty component/);
    assert.match(String(about('line 11: rules[1].who ')), /is empty; name identities/);
    assert.equal(about('line 14: jwt[0].algorithms').length, 2);
    assert.match(String(about('line 14: jwt[0].jwks ')), /https:\/\//);
    assert.match(String(about('line 15: grupos ')), /did you mean groups\?/);
    assert.ok(problems.length >= 11, problems.join('\n'));
  });

  it('refuses entries that are each right and not together', () => {
    const token = (identity: string, hash: string) => `  - { identity: ${identity}, sha256: ${hash} }\n`;
    const tokens = `tokens:\n${token('ci', HASH)}`;
    const issuer = (name: string, more = '') =>
      `  - { issuer: ${name}, audience: a, algorithms: [ES256], jwks: keys.json${more} }\n`;

    assert.match(
      problemsOf(tokens + token('cd', HASH))[0] ?? '',
      /line 3: tokens\[1\]\.sha256 is that of an entry above/,
    );
    assert.match(
      problemsOf(`${tokens}rules:\n  - { who: [cj], may: [read], on: [a] }`)[0] ?? '',
      /line 4: rules\[0\]\.who\[0\] names an identity that no entry .* has; did you mean ci\?/,
    );
    assert.match(
      problemsOf(
        `${tokens}groups: { builders: [ci] }\nrules:\n  - { who: ["group:bilders"], may: [read], on: [a] }`,
      )[0] ?? '',
      /names a group .*did you mean builders\?/,
    );
    assert.match(
      problemsOf(`jwt:\n${issuer('a')}${issuer('b')}`)[0] ?? '',
      /jwt\[1\]\.prefix .* prefix of its own/,
    );
    assert.deepEqual(problemsOf(`jwt:\n${issuer('a')}${issuer('b', ', prefix: "b:"')}`), []);
    assert.match(
      problemsOf(`${tokens}rules:\n  - { who: [ci], may: [read] }`)[0] ?? '',
      /rules\[0\]\.on is missing/,
    );
    assert.deepEqual(problemsOf(`${tokens}rules:\n  - { who: [ci], may: [observe] }`), []);
  });

  it('keeps names of tokens apart from those of JWTs, and from words with a meaning', () => {
    for (const name of [
      'jwt:alice',
      'everyone',
      'authenticated',
      'anonymous',
      'group:a',
      '..',
      '.',
      'a/b',
      '*',
      '',
    ]) {
      assert.equal(
        problemsOf(`tokens:\n  - { identity: ${JSON.stringify(name)}, sha256: ${HASH} }`).length > 0,
        true,
        name,
      );
    }
  });

  it('says where it is no YAML', () => {
    assert.match(problemsOf('tokens:\n  - [\nrules: }')[0] ?? '', /^line \d: not valid YAML/);
    assert.match(problemsOf('just a text')[0] ?? '', /the file is not a group of keys/);
  });
});
