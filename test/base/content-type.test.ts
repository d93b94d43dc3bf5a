import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { contentTypeOf, mayCompress } from '../../src/base/content-type.ts';

describe('the content type of a name', () => {
  const types: [string, string][] = [
    ['a.txt', 'text/plain'],
    ['dir.d/a.json', 'application/json'],
    ['A.PNG', 'image/png'],
    ['a.tar.gz', 'application/gzip'],
    ['no-extension', ''],
    ['a.no-such-type', ''],
    ['', ''],
  ];
  for (const [name, type] of types) {
    it(`of ${JSON.stringify(name)} is ${JSON.stringify(type)}`, () => {
      assert.equal(contentTypeOf(name), type);
    });
  }
});

describe('a file that may get smaller', () => {
  for (const name of [
    'a.txt',
    'a.csv',
    'a.json',
    'a.html',
    'a.js',
    'a.svg',
    'a.xml',
    'a.log',
    'a.bin',
    'a.safetensors',
    'Makefile',
  ]) {
    it(`is ${name}`, () => {
      assert.equal(mayCompress(contentTypeOf(name)), true);
    });
  }
});

describe('a file of a type known to be compressed already', () => {
  for (const name of ['a.png', 'a.jpg', 'a.mp4', 'a.mp3', 'a.zip', 'a.gz', 'a.7z']) {
    it(`is ${name}, which is left alone`, () => {
      assert.equal(mayCompress(contentTypeOf(name)), false);
    });
  }
});
