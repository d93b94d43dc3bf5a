/** docs/protocol-bytes.md: its bytes are those of a server. `RECORD=1` writes them into the page. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import * as zlib from 'node:zlib';
import { transferService } from '../../src/wire/service.ts';
import { codeBlocksIn } from './code-blocks.ts';
import { ROOT } from './examples.ts';
import { recordedCalls } from './recorded-calls.ts';

const PATH = join(ROOT, 'docs/protocol-bytes.md');

/** A runtime with Zstandard offers one codec more. */
const skip = 'zstdCompressSync' in zlib && 'the page shows a server on Node 20, which has no Zstandard';

test('the bytes of the page are those of calls to a server', { skip }, async (t) => {
  const recorded = await recordedCalls(t);
  let page = await readFile(PATH, 'utf8');
  if (process.env.RECORD === '1') {
    page = page.replace(/(^```text bytes=(\S+)\n)(.*?)(^```$)/gms, (_, open, name, __, close) => {
      return `${open}${recorded.get(name)}${close}`;
    });
    await writeFile(PATH, page);
  }

  const shown = codeBlocksIn(page).filter(({ mark }) => mark.startsWith('bytes='));
  assert.deepEqual(
    Object.fromEntries(shown.map(({ mark, text }) => [mark.slice('bytes='.length), text])),
    Object.fromEntries(recorded),
  );
});

test('the page shows every method', async () => {
  const page = await readFile(PATH, 'utf8');
  const methods = Object.keys(transferService);

  assert.deepEqual(
    methods.filter((method) => !page.includes(`> ${method}Request\n`)),
    [],
  );
});
