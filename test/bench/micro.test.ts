import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Seen from dist/test/bench. */
const PROGRAM = fileURLToPath(new URL('../../bench/micro/main.js', import.meta.url));

test('bench:micro says how it is used, and which groups there are for one that there is not', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, '--help']);
  assert.match(stdout, /^Usage: bench:micro .*\[group\.\.\.\]/);
  await assert.rejects(promisify(execFile)(process.execPath, [PROGRAM, 'none']), {
    code: 1,
    stderr: /^error: .*There is no group none; there are slabs, [\w, -]+\.\n$/,
  });
});
