/**
 * Files by HTTP and by gRPC from one process: Fastify for browsers and scripts, sluice
 * for everything that is large. Run it as `node fastify.mjs DIRECTORY`.
 *
 *   GET  /files/NAME     streams a file, as fast as the reader takes it
 *   PUT  /files/NAME     the file appears whole, verified and durable, or not at all
 */
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import fastify from 'fastify';
import { addSluice, loadConfig, SluiceClient, sluiceServerOptions, TransferError } from 'sluice';

const { config } = loadConfig({ flags: { root: process.argv[2] ?? '.', writable: true } });
const grpc = new Server(sluiceServerOptions(config));
const sluice = await addSluice(grpc, config);
const listen = promisify(grpc.bindAsync.bind(grpc));
const port = await listen('127.0.0.1:0', ServerCredentials.createInsecure());
const client = new SluiceClient(`127.0.0.1:${port}`);

const STATUS = { NOT_FOUND: 404, INVALID_NAME: 400, NOT_A_FILE: 409, QUOTA_EXCEEDED: 507, DISK_FULL: 507 };

const web = fastify();
// Bodies are streams: nothing here holds a file.
web.removeAllContentTypeParsers();
web.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
web.setErrorHandler((error, _request, reply) => {
  const code = error instanceof TransferError ? error.code : 'INTERNAL';
  reply.code(STATUS[code] ?? 500).send({ code, message: error.message });
});
web.get('/files/*', async (request, reply) => {
  const { contentType, size, version } = await client.stat(request.params['*']);
  reply.headers({ 'content-type': contentType, 'content-length': size, etag: `"${version}"` });
  return reply.send(Readable.from(client.stream(request.params['*'], { ifMatch: version })));
});
web.put('/files/*', async (request, reply) => {
  const { version } = await client.upload(request.body ?? Buffer.alloc(0), request.params['*']);
  return reply.code(201).header('etag', `"${version}"`).send();
});
const address = await web.listen({ host: '127.0.0.1', port: 0 });
console.log(JSON.stringify({ http: address, grpc: `127.0.0.1:${port}` }));

process.once('SIGTERM', () => void stop());

async function stop() {
  await web.close();
  client.close();
  grpc.tryShutdown(() => {});
  await sluice.stop(5_000);
}
