import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeMode, writeOctal } from '../../src/cli/mode-text.ts';

test('a mode is shown as ls and stat show it', () => {
  for (const [mode, letters, octal] of [
    [0, '---------', '0000'],
    [0o644, 'rw-r--r--', '0644'],
    [0o4755, 'rwsr-xr-x', '4755'],
    [0o2640, 'rw-r-S---', '2640'],
    [0o1777, 'rwxrwxrwt', '1777'],
    [0o7000, '--S--S--T', '7000'],
    [0xffff_ffff, 'rwsrwsrwt', '7777'],
  ] as const) {
    assert.deepEqual([writeMode(mode), writeOctal(mode)], [letters, octal]);
  }
});
