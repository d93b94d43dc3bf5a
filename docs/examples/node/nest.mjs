/**
 * sluice as a provider of NestJS: it starts and ends with the application, and
 * controllers use its client. Run it as `node nest.mjs DIRECTORY`. In TypeScript the
 * calls of decorators are `@Injectable()`, `@Controller('files')` and so on.
 *
 *   GET /files?below=DIRECTORY    what is there
 *   GET /files/content?name=NAME  streams a file
 */
import 'reflect-metadata';
import { Readable } from 'node:stream';
import {
  Controller,
  Get,
  Inject,
  Injectable,
  Module,
  NotFoundException,
  Query,
  StreamableFile,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { loadConfig, SluiceClient, SluiceServer, TransferError } from 'sluice';

class Sluice {
  async onModuleInit() {
    const flags = { root: process.argv[2] ?? '.', listen: '127.0.0.1:0', 'admin.listen': 'off' };
    this.server = new SluiceServer(loadConfig({ flags }).config);
    this.address = (await this.server.start()).address;
    this.client = new SluiceClient(this.address);
  }

  async onApplicationShutdown() {
    this.client.close();
    await this.server.stop(5_000);
  }
}
Injectable()(Sluice);

class Files {
  constructor(sluice) {
    this.sluice = sluice;
  }

  async list(below = '') {
    const names = [];
    for await (const { name } of this.sluice.client.list(below)) names.push(name);
    return names;
  }

  async content(name) {
    const file = await this.sluice.client.stat(name).catch(answerFor);
    const chunks = this.sluice.client.stream(name, { ifMatch: file.version });
    return new StreamableFile(Readable.from(chunks), { type: file.contentType, length: file.size });
  }
}
Controller('files')(Files);
Inject(Sluice)(Files, undefined, 0);
decorate(Get(), Files, 'list', [Query('below')]);
decorate(Get('content'), Files, 'content', [Query('name')]);

class App {}
Module({ controllers: [Files], providers: [Sluice] })(App);

const app = await NestFactory.create(App, new FastifyAdapter(), { logger: false });
app.enableShutdownHooks();
await app.listen(0, '127.0.0.1');
console.log(JSON.stringify({ http: await app.getUrl(), grpc: app.get(Sluice).address }));

function answerFor(error) {
  if (error instanceof TransferError && error.code === 'NOT_FOUND')
    throw new NotFoundException(error.message);
  throw error;
}

/** What `@Get() list(@Query('below') below)` does. */
function decorate(method, type, name, parameters) {
  const descriptor = Object.getOwnPropertyDescriptor(type.prototype, name);
  method(type.prototype, name, descriptor);
  for (const [index, parameter] of parameters.entries()) parameter(type.prototype, name, index);
}
