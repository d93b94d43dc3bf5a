import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Pattern } from '../../src/access/pattern.ts';
import { seedOf } from '../support/seed.ts';

/** Pattern, names that it has, names that it does not have. '' is the root. */
const CASES: readonly [string, readonly string[], readonly string[]][] = [
  ['models', ['models'], ['', 'models/a', 'model', 'modelss', 'Models', 'a/models']],
  ['models/**', ['models', 'models/a', 'models/a/b'], ['', 'modelsx', 'models2/a', 'x/models/a']],
  ['models/*', ['models/a', 'models/.a'], ['models', 'models/a/b']],
  ['**', ['', 'a', 'a/b/c'], []],
  ['*', ['a', '*'], ['', 'a/b']],
  ['**/x', ['x', 'a/x', 'a/b/x'], ['', 'a', 'x/a', 'ax']],
  ['a/**/z', ['a/z', 'a/b/z', 'a/b/c/z'], ['a', 'z', 'a/z/b', 'b/a/z']],
  ['a/**/**/z', ['a/z', 'a/b/z'], ['a']],
  ['*.bin', ['a.bin', '.bin'], ['a.bin.x', 'abin', 'a/b.bin']],
  ['a*b*c', ['abc', 'aXbXc', 'abbcc'], ['ab', 'ac', 'acb', 'abcd']],
  ['a*a', ['aa', 'aXa'], ['a']],
  ['***', ['a', ''.padEnd(5, 'x')], ['', 'a/b']],
];

describe('a pattern', () => {
  for (const [text, those, others] of CASES) {
    it(`${text} has ${JSON.stringify(those)} and not ${JSON.stringify(others)}`, () => {
      const pattern = new Pattern(text, 'ci');
      assert.deepEqual(
        those.filter((name) => !pattern.matches(componentsOf(name))),
        [],
      );
      assert.deepEqual(
        others.filter((name) => pattern.matches(componentsOf(name))),
        [],
      );
    });
  }

  it('takes the name of the identity as it is, whatever is in it', () => {
    const home = (identity: string, name: string) =>
      new Pattern('home/{identity}/**', identity).matches(componentsOf(name));

    assert.ok(home('ci', 'home/ci/a'));
    assert.ok(home('jwt:alice', 'home/jwt:alice'));
    for (const identity of ['*', '**', 'a/b', '..', '.', '', 'c*', '$&', 'b*']) {
      assert.equal(home(identity, 'home/bob/a'), false, identity);
      assert.equal(home(identity, 'home/ci/a'), false, identity);
      assert.equal(home(identity, 'home/a/b'), false, identity);
    }
    // An asterisk in the name of an identity stands for itself.
    assert.ok(home('a*b', 'home/a*b/x'));
    assert.equal(home('a*b', 'home/aXb/x'), false);
    assert.ok(new Pattern('u-{identity}-*.x', 'ci').matches(['u-ci-7.x']));
    assert.equal(new Pattern('u-{identity}-*.x', '*').matches(['u-ci-7.x']), false);
    assert.ok(new Pattern('{identity}', '{identity}').matches(['{identity}']));
  });

  it('leads through the directories above what it has, and below', () => {
    const leads = (text: string, name: string) => new Pattern(text, 'ci').leadsThrough(componentsOf(name));

    for (const name of ['', 'a', 'a/b', 'a/b/c']) assert.ok(leads('a/b/c', name), name);
    for (const name of ['b', 'a/c', 'a/b/c/d']) assert.equal(leads('a/b/c', name), false, name);
    for (const name of ['', 'a', 'a/x/y']) assert.ok(leads('a/**', name), name);
    assert.ok(leads('home/{identity}/x', 'home/ci'));
    assert.equal(leads('home/{identity}/x', 'home/bob'), false);
  });

  it('decides like a search through all ways to read it', (t) => {
    const component = fc.stringMatching(/^[ab*]{1,4}$/);
    const pattern = fc.array(fc.oneof(component, fc.constant('**')), { minLength: 1, maxLength: 5 });
    const name = fc.array(fc.stringMatching(/^[ab]{1,4}$/), { maxLength: 5 });
    fc.assert(
      fc.property(pattern, name, (parts, components) => {
        assert.equal(new Pattern(parts.join('/'), 'ci').matches(components), isRead(parts, components));
      }),
      { seed: seedOf(t), numRuns: 2000 },
    );
  });

  it('takes no longer for a name that was made for it', () => {
    const pattern = new Pattern(`${'*a'.repeat(30)}*b/${'**/a/'.repeat(30)}z`, 'ci');
    assert.equal(pattern.matches(['a'.repeat(250), ...Array<string>(60).fill('a')]), false);
  });
});

function componentsOf(name: string): string[] {
  return name === '' ? [] : name.split('/');
}

function isRead([first, ...rest]: readonly string[], name: readonly string[]): boolean {
  if (first === undefined) return name.length === 0;
  if (first === '**')
    return isRead(rest, name) || (name.length > 0 && isRead([first, ...rest], name.slice(1)));
  const [component, ...others] = name;
  return component !== undefined && isReadIn(first, component) && isRead(rest, others);
}

function isReadIn(pattern: string, component: string): boolean {
  if (pattern === '') return component === '';
  if (pattern.startsWith('*'))
    return (
      isReadIn(pattern.slice(1), component) || (component !== '' && isReadIn(pattern, component.slice(1)))
    );
  return component[0] === pattern[0] && isReadIn(pattern.slice(1), component.slice(1));
}
