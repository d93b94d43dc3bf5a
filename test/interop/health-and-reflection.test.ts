/** The standard services beside ours, asked as standard tools ask them. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text as readText } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, type ClientDuplexStream, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';
import { transferService } from '../../src/wire/service.ts';
import { lines } from '../support/content.ts';
import { RawClient } from '../support/peers/raw-client.ts';
import { scratchRoot } from '../support/scratch.ts';
import { SluiceProcess } from '../support/sluice-process.ts';
import { startServer } from '../support/test-server.ts';
import { within } from '../support/until.ts';

const SERVICE = 'sluice.v1.TransferService';
const ADMIN_SERVICE = 'sluice.v1.AdminService';

/** Seen from dist/test/interop. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BUF = join(ROOT, 'node_modules/.bin/buf');

function loadFromPackage(specifier: string, path: string, service: string): ServiceDefinition {
  const file = fileURLToPath(new URL(path, import.meta.resolve(specifier)));
  return loadSync(file, { defaults: true, enums: String, oneofs: true })[service] as ServiceDefinition;
}

const reflection = loadFromPackage(
  '@grpc/reflection',
  '../proto/grpc/reflection/v1/reflection.proto',
  'grpc.reflection.v1.ServerReflection',
);
const health = loadFromPackage(
  'grpc-health-check',
  '../../proto/health/v1/health.proto',
  'grpc.health.v1.Health',
);

async function clientOf(t: TestContext, settings = {}) {
  const server = await startServer(t, settings);
  const client = new Client(server.address, credentials.createInsecure());
  t.after(() => client.close());
  return { server, client };
}

function check(client: Client, service: string): Promise<{ status: string }> {
  const { path, requestSerialize, responseDeserialize } = health.Check as MethodDefinition<object, object>;
  return new Promise((resolve, reject) => {
    const done = (failure: ServiceError | null, answer?: object) =>
      failure ? reject(failure) : resolve(answer as { status: string });
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, done);
  });
}

test('in the pause before it drains a server says NOT_SERVING and serves on, also new connections', async (t) => {
  const root = scratchRoot(t);
  writeFileSync(join(root, 'file'), 'content');
  const args = ['serve', root, '--listen', '127.0.0.1:0', '--pool-threads', '1', '--shutdown-pause', '1h'];
  const server = new SluiceProcess(t, args);
  const [, address] = await server.says(/ready on (\S+),/);
  server.process.kill('SIGTERM');
  await server.says(/a second signal ends at once/);
  const client = new Client(String(address), credentials.createInsecure());
  t.after(() => client.close());
  const raw = new RawClient(String(address));
  t.after(() => raw.close());
  let answer = '';
  while (answer !== 'NOT_SERVING') answer = (await within('health answers', check(client, ''))).status;
  const { status: end, bytes } = await raw.fetch({ fileName: 'file' });
  assert.deepEqual([end, bytes.toString()], ['OK', 'content']);
  server.process.kill('SIGTERM');
  assert.equal((await server.outcome()).code, 130);
});

test('the health service says SERVING for the server and for the service, and knows no others', async (t) => {
  const { client } = await clientOf(t);
  assert.equal((await check(client, '')).status, 'SERVING');
  assert.equal((await check(client, SERVICE)).status, 'SERVING');
  await assert.rejects(check(client, 'other.Service'), { code: status.NOT_FOUND });
});

test('a health watcher hears NOT_SERVING when the server drains, and does not hold up its end', async (t) => {
  const { server, client } = await clientOf(t, { shutdown: { grace: 600_000 } });
  const { path, requestSerialize, responseDeserialize } = health.Watch as MethodDefinition<object, object>;
  const watch = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {
    service: SERVICE,
  });
  watch.on('error', () => {});
  const heard: string[] = [];
  const serving = new Promise<void>((resolve) => {
    watch.on('data', (answer: object) => {
      heard.push((answer as { status: string }).status);
      resolve();
    });
  });
  await within('the first status', serving);
  await within('the end of the server', server.server.stop());
  assert.deepEqual(heard, ['SERVING', 'NOT_SERVING']);
});

/** The FileDescriptorSet of `input` in buf's JSON. */
async function descriptorSetOf(
  input: string,
  bytes: Uint8Array = new Uint8Array(0),
  path = '',
): Promise<unknown> {
  const options = ['--exclude-source-info', '--as-file-descriptor-set', '-o', '-#format=json'];
  if (path !== '') options.push('--path', path);
  const buf = execFile(BUF, ['build', input, ...options], { cwd: ROOT });
  buf.stdin?.end(bytes);
  const [text] = await Promise.all([readText(buf.stdout as Readable), once(buf, 'exit')]);
  return JSON.parse(text);
}

/** A FileDescriptorSet of one file: field 1, with a length of two bytes. */
function setOfOne(file: Uint8Array): Uint8Array {
  assert.ok(file.length >= 1 << 7 && file.length < 1 << 14);
  return Buffer.concat([Buffer.of(0x0a, (file.length & 0x7f) | 0x80, file.length >> 7), file]);
}

test('reflection lists all services and says of each what its .proto file says', async (t) => {
  const { client } = await clientOf(t);
  const { path, requestSerialize, responseDeserialize } = reflection.ServerReflectionInfo as MethodDefinition<
    object,
    object
  >;
  const ask = async (question: object): Promise<Record<string, unknown>> => {
    const call: ClientDuplexStream<object, object> = client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
    );
    const answer = new Promise<object>((resolve, reject) => call.once('data', resolve).once('error', reject));
    call.end(question);
    return (await within('an answer', answer)) as Record<string, unknown>;
  };
  const described = async (symbol: string): Promise<unknown> => {
    const { fileDescriptorResponse } = await ask({ fileContainingSymbol: symbol });
    const { fileDescriptorProto } = fileDescriptorResponse as { fileDescriptorProto: Buffer[] };
    assert.equal(fileDescriptorProto.length, 1);
    return await descriptorSetOf('-', setOfOne(fileDescriptorProto[0] as Buffer));
  };

  const listed = await ask({ listServices: '*' });
  const { service } = listed.listServicesResponse as { service: { name: string }[] };
  assert.deepEqual(service.map(({ name }) => name).sort(), [
    'grpc.health.v1.Health',
    'grpc.reflection.v1.ServerReflection',
    'grpc.reflection.v1alpha.ServerReflection',
    ADMIN_SERVICE,
    SERVICE,
  ]);
  // With JSON names, `optional` and the types of maps.
  for (const [name, file] of [
    [SERVICE, 'transfer'],
    [ADMIN_SERVICE, 'admin'],
  ] as const) {
    const wanted = await descriptorSetOf('proto', undefined, `proto/sluice/v1/${file}.proto`);
    assert.deepEqual(await described(name), wanted);
  }
  assert.deepEqual(
    await described('grpc.health.v1.Health'),
    await descriptorSetOf('node_modules/grpc-health-check/proto'),
  );
});

/** What `buf curl` writes for a request to `path`, which it understands by reflection alone. */
async function curl(address: string, path: string, options: string[], input = ''): Promise<string> {
  const args = [
    'curl',
    '--protocol',
    'grpc',
    '--http2-prior-knowledge',
    ...options,
    `http://${address}${path}`,
  ];
  const buf = execFile(BUF, args, { cwd: ROOT });
  buf.stdin?.end(input);
  const [text, [exitCode]] = await Promise.all([readText(buf.stdout as Readable), once(buf, 'exit')]);
  assert.equal(exitCode, 0);
  return text;
}

test('buf curl makes a directory and an Exchange with nothing but reflection', async (t) => {
  const server = await startServer(t, { writable: true });
  server.write('file', lines(1000));
  const methods = (await curl(server.address, '', ['--list-methods'])).trim().split('\n');
  const own = methods.filter((method) => method.startsWith(SERVICE));
  assert.deepEqual(
    own.sort(),
    Object.keys(transferService)
      .map((name) => `${SERVICE}/${name}`)
      .sort(),
  );

  const made = await curl(server.address, `/${SERVICE}/MakeDirectory`, ['-d', '{"fileName":"a/b"}']);
  assert.deepEqual(JSON.parse(made), {});
  assert.ok(statSync(server.at('a/b')).isDirectory());

  const requests = [
    { id: 1, stat: { fileName: 'file' } },
    { id: 2, read: { fileName: 'file', start: 990 } },
    { id: 3, makeDirectory: { fileName: 'c' } },
  ];
  const asked = requests.map((request) => JSON.stringify(request)).join('\n');
  const text = await curl(server.address, `/${SERVICE}/Exchange`, ['-d', '@-'], asked);
  // One object after the other.
  const answers = JSON.parse(`[${text.replace(/^}$(?=\s+^\{$)/gm, '},')}]`) as Record<string, unknown>[];
  const ended = answers.filter((answer) => 'end' in answer).map(({ id }) => String(id));
  assert.deepEqual(ended.sort(), ['1', '2', '3']);
  assert.ok(statSync(server.at('c')).isDirectory());
});
