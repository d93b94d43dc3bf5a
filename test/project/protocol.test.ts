/** docs/protocol.md: its client runs, with nothing but the .proto file, and it names what the contract has. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { MessageTypeDefinition } from '@grpc/proto-loader';
import { ERROR_CODES } from '../../src/base/errors.ts';
import { packageDefinition } from '../../src/wire/service.ts';
import { codeBlocksIn } from './code-blocks.ts';
import { exampleFolder, ROOT, runExample } from './examples.ts';
import { served } from './served.ts';

const PAGE = await readFile(join(ROOT, 'docs/protocol.md'), 'utf8');

test('the client of the page uploads and downloads, and resumes both', async (t) => {
  const [example, ...others] = codeBlocksIn(PAGE).filter(({ mark }) => mark === 'run');
  assert.ok(example !== undefined && others.length === 0);
  const { folder, env } = await exampleFolder(t);
  const address = await served(t, 'sluice', ['serve', '--writable'], { cwd: folder, env });

  const { stdout } = await runExample(t, example.text, address);

  assert.equal(stdout, '3000000 bytes are stored\nresuming at the last verified byte\nidentical\n');
});

test('the page names every call of the contract', async () => {
  const contract = await readFile(join(ROOT, 'proto/sluice/v1/transfer.proto'), 'utf8');
  const calls = [...contract.matchAll(/^ {2}rpc (\w+)\(/gm)].map((match) => match[1] ?? '');

  assert.ok(calls.length >= 10);
  assert.deepEqual(
    calls.filter((name) => !PAGE.includes(name)),
    [],
  );
});

test('the page names every field of an Exchange, and no error code that is none', () => {
  for (const message of ['ExchangeRequest', 'ExchangeResponse', 'ExchangeLimits', 'Failure', 'WrittenFile']) {
    const definition = packageDefinition[`sluice.v1.${message}`] as MessageTypeDefinition<object, object>;
    const { field: fields } = definition.type as { field: { name: string }[] };
    assert.ok(fields.length > 0);
    const names = fields.map(({ name }) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
    assert.deepEqual(
      names.filter((name) => !new RegExp(`\\b${name}\\b`).test(PAGE)),
      [],
    );
  }
  const codes = [...PAGE.matchAll(/`([A-Z][A-Z_]+)`/g)].map(([, code = '']) => code);
  assert.ok(codes.length > 20);
  assert.deepEqual(
    codes.filter((code) => !(code in ERROR_CODES)),
    [],
  );
});
