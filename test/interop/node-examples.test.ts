/** The programs of docs/examples/node, as processes: sluice beside HTTP servers. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Child } from '../../src/cli/process/child.ts';
import { SluiceClient } from '../../src/index.ts';
import { userEnvironment } from '../project/environment.ts';
import { assertBytes, lines, writeContent } from '../support/content.ts';
import { scratchRoot } from '../support/scratch.ts';
import { MIB } from '../support/test-server.ts';
import { within } from '../support/until.ts';

/** Seen from dist/test/interop. */
const PROGRAMS = fileURLToPath(new URL('../../../docs/examples/node/', import.meta.url));

/** Starts a program on `root`; where it serves is what it prints. */
async function started(
  t: TestContext,
  program: string,
  root: string,
): Promise<{ http: string; grpc: string; end(): Promise<number | null> }> {
  const child = new Child(program, process.execPath, [join(PROGRAMS, program), root], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: userEnvironment,
  });
  t.after(() => child.end());
  const [line] = await within('it serves', child.says(/^\{.*\}$/m)).catch((reason: Error) => {
    throw new Error(`${reason.message}\n${child.stderr}`);
  });
  return {
    ...(JSON.parse(line) as { http: string; grpc: string }),
    end: async () => {
      child.process.kill('SIGTERM');
      return await within('it ends', child.ended);
    },
  };
}

function clientOf(t: TestContext, address: string): SluiceClient {
  const client = new SluiceClient(address, { ownConnection: true });
  t.after(() => client.close());
  return client;
}

test('Fastify serves the same files as sluice in its process', async (t) => {
  const root = scratchRoot(t);
  const content = lines(20 * MIB);
  writeContent(join(root, 'large.txt'), content);
  const { end, grpc, http } = await started(t, 'fastify.mjs', root);

  const got = await fetch(`${http}/files/large.txt`);
  assert.equal(got.status, 200);
  assert.match(got.headers.get('content-type') ?? '', /^text\/plain/);
  assertBytes(Buffer.from(await got.arrayBuffer()), content, 0);

  const put = await fetch(`${http}/files/in/new.bin`, { method: 'PUT', body: Buffer.alloc(3 * MIB, 7) });
  assert.equal(put.status, 201, await put.text());
  assert.deepEqual(readFileSync(join(root, 'in/new.bin')), Buffer.alloc(3 * MIB, 7));
  assert.equal((await clientOf(t, grpc).stat('in/new.bin')).size, 3 * MIB);

  const missing = await fetch(`${http}/files/missing`);
  assert.equal(missing.status, 404);
  assert.deepEqual(((await missing.json()) as { code: string }).code, 'NOT_FOUND');
  assert.equal(await end(), 0);
});

test('NestJS starts and ends sluice with the application, and its controllers stream files', async (t) => {
  const root = scratchRoot(t);
  const content = lines(5 * MIB);
  writeContent(join(root, 'data.txt'), content);
  const { end, grpc, http } = await started(t, 'nest.mjs', root);

  assert.deepEqual(await (await fetch(`${http}/files`)).json(), ['data.txt']);
  const got = await fetch(`${http}/files/content?name=data.txt`);
  assertBytes(Buffer.from(await got.arrayBuffer()), content, 0);
  assert.equal((await fetch(`${http}/files/content?name=none`)).status, 404);
  assert.equal((await clientOf(t, grpc).stat('data.txt')).size, content.size);
  await end();
});
