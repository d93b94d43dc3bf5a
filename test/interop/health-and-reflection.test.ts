/** The standard services beside ours, asked as standard tools ask them. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, type ClientDuplexStream, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';
import { startServer } from '../support/test-server.ts';
import { within } from '../support/until.ts';

const SERVICE = 'sluice.v1.TransferService';

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

test('reflection lists the service and describes its messages', async (t) => {
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
  const listed = await ask({ listServices: '*' });
  const { service } = listed.listServicesResponse as { service: { name: string }[] };
  assert(service.some(({ name }) => name === SERVICE));
  const described = await ask({ fileContainingSymbol: SERVICE });
  const { fileDescriptorProto } = described.fileDescriptorResponse as { fileDescriptorProto: Buffer[] };
  const text = Buffer.concat(fileDescriptorProto).toString('latin1');
  for (const name of ['StreamFileRequest', 'file_name', 'can_decompress', 'ListFilesResponse'])
    assert(text.includes(name), name);
});
