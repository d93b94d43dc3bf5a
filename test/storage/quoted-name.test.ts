import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { quoteName } from '../../src/storage/quoted-name.ts';

describe('a quoted name', () => {
  it('is a plain name in double quotes', () => {
    assert.equal(quoteName('a/b 日本.bin'), '"a/b 日本.bin"');
  });

  it('escapes quotes, controls and what reverses or hides text', () => {
    assert.equal(quoteName('a"\n\u009b\u202e\u2028'), '"a\\"\\n\\u009b\\u202e\\u2028"');
  });

  it('replaces lone surrogates', () => {
    assert.equal(quoteName('a\ud800b'), '"a\ufffdb"');
  });

  it('is cut after 120 characters, never inside one', () => {
    assert.equal(quoteName('🪣'.repeat(120)), `"${'🪣'.repeat(120)}"`);
    assert.equal(quoteName(`a${'🪣'.repeat(5000)}`), `"a${'🪣'.repeat(119)}…"`);
  });
});
