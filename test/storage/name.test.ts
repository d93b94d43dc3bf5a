import assert from 'node:assert/strict';
import { join, sep } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TransferError } from '../../src/base/errors.ts';
import { MAX_NAME_BYTES, MAX_NAME_DEPTH } from '../../src/base/limits.ts';
import { parseName, parsePrefix } from '../../src/storage/name.ts';

function faultOf(name: string): string {
  try {
    parseName(name);
  } catch (reason) {
    assert.ok(reason instanceof TransferError);
    assert.equal(reason.code, 'INVALID_NAME');
    return reason.message;
  }
  throw new Error(`${JSON.stringify(name)} was accepted`);
}

describe('a good name', () => {
  const good = [
    'a',
    'a/b/c.bin',
    '.hidden',
    '...',
    '..a',
    'a..',
    ' ',
    'a b',
    'naïve',
    '日本語/ファイル',
    '🪣.bin',
    'ab:c',
    'x/C:',
    '.sluice',
    'a.sluice-1',
    'é'.normalize('NFD'),
    '-rf',
    '%2e%2e',
    'a'.repeat(255),
    `${'é'.repeat(127)}a`,
  ];
  for (const name of good) {
    it(`${JSON.stringify(name).slice(0, 30)} is split at its slashes`, () => {
      assert.deepEqual(parseName(name), name.split('/'));
    });
  }

  it('may be as deep and as long as the limits', () => {
    assert.equal(parseName(Array(MAX_NAME_DEPTH).fill('a').join('/')).length, MAX_NAME_DEPTH);
    const longest = `${`${'a'.repeat(127)}/`.repeat(MAX_NAME_BYTES / 128 - 1)}${'a'.repeat(128)}`;
    assert.equal(Buffer.byteLength(longest), MAX_NAME_BYTES);
    assert.equal(parseName(longest).length, MAX_NAME_BYTES / 128);
  });
});

describe('a bad name is refused with its fault and the remedy', () => {
  const bad: [string, RegExp][] = [
    ['', /is empty; give/],
    ['.', /"\." component; name the file from the root/],
    ['..', /"\.\." component/],
    ['a/../b', /"\.\." component/],
    ['a/.', /"\." component/],
    ['./a', /"\." component/],
    ['/etc/passwd', /is absolute; remove the leading/],
    ['//a', /is absolute/],
    ['a//b', /empty component; write a single/],
    ['a/', /ends with "\/"; remove it/],
    ['a\0b', /control character; remove it/],
    ['a\nb', /control character/],
    ['a\u001bb', /control character/],
    ['a\u007fb', /control character/],
    ['a\u0085b', /control character/],
    ['a\u009bb', /control character/],
    ['a\\b', /backslash; separate/],
    ['..\\b', /backslash/],
    ['C:', /starts with a drive/],
    ['c:evil', /starts with a drive/],
    ['C:/evil', /starts with a drive/],
    ['a\ud800b', /not well-formed Unicode; send valid UTF-8/],
    ['a\udc00', /not well-formed/],
    ['a'.repeat(256), /component longer than 255 bytes; shorten/],
    ['é'.repeat(128), /component longer than 255 bytes/],
    ['a/'.repeat(MAX_NAME_BYTES), /longer than 2048 bytes; shorten/],
    [`${'é'.repeat(100)}/`.repeat(11), /longer than 2048 bytes/],
    [
      Array(MAX_NAME_DEPTH + 1)
        .fill('a')
        .join('/'),
      /deeper than 64 components/,
    ],
    ['.sluice-tmp', /starts with "\.sluice-", which is reserved; use another/],
    ['a/.sluice-tmp/b', /reserved/],
    ['.SLUICE-tmp', /reserved/],
  ];
  for (const [name, expected] of bad) {
    it(JSON.stringify(name).slice(0, 30), () => {
      assert.match(faultOf(name), expected);
    });
  }
});

describe('the prefix of a listing', () => {
  it('may be empty', () => {
    assert.deepEqual(parsePrefix(''), []);
  });

  it('is otherwise a name', () => {
    assert.deepEqual(parsePrefix('a/b'), ['a', 'b']);
    assert.throws(() => parsePrefix('a/..'), { code: 'INVALID_NAME' });
  });
});

describe('any name from a hostile alphabet', () => {
  const hostile = fc
    .array(
      fc.constantFrom(
        '.',
        '..',
        '/',
        '\\',
        'a',
        'C:',
        '\0',
        '\n',
        '\u009b',
        '\ud800',
        '\udc00',
        '~',
        ' ',
        '%',
        'é',
        '.sluice-',
      ),
      { maxLength: 24 },
    )
    .map((parts) => parts.join(''));

  it('is refused, or resolves inside the root', () => {
    fc.assert(
      fc.property(fc.oneof(hostile, fc.string({ unit: 'binary' })), (name) => {
        let components: readonly string[];
        try {
          components = parseName(name);
        } catch (reason) {
          assert.ok(reason instanceof TransferError && reason.code === 'INVALID_NAME');
          return;
        }
        const path = join('/root', ...components);
        assert.equal(path, `/root${sep}${name}`);
        assert.equal(components.join('/'), name);
        assert.equal(Buffer.from(name).toString(), name);
      }),
      { numRuns: 5000 },
    );
  });

  it('gives a message that is short, printable and fit for status details', () => {
    fc.assert(
      fc.property(fc.oneof(hostile, fc.string({ unit: 'binary', maxLength: 5000 })), (name) => {
        try {
          parseName(name);
        } catch (reason) {
          assert.ok(reason instanceof TransferError);
          assert.doesNotMatch(reason.message, /\p{Cc}/u);
          assert.ok(reason.message.length < 1200);
          encodeURIComponent(reason.message);
        }
      }),
      { numRuns: 5000 },
    );
  });
});
