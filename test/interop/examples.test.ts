/** The clients of docs/examples, built as their README says, against a server whose connections break. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { countersOf } from '../../src/server/server.ts';
import { codeBlocksIn } from '../project/code-blocks.ts';
import { userEnvironment } from '../project/environment.ts';
import { servedModel } from '../support/bucket/served-model.ts';
import { assertBytes, noise, writeContent } from '../support/content.ts';
import { type Relay, startRelay } from '../support/relay.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { KIB, MIB, startServer, type TestServer } from '../support/test-server.ts';
import { patient, until } from '../support/until.ts';

const run = promisify(execFile);

/** Seen from dist/test/interop. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const GO_SOURCES = '/usr/share/gocode/src';
const TIMEOUT_MS = 240_000;
/** Where connections break: a client that starts over each time is not done before they are used up. */
const CUTS = Array.from({ length: 40 }, () => 2 * MIB);
/** Debian's Python, which has Debian's modules, before any other. */
const env = { ...userEnvironment, PATH: `/usr/bin:${userEnvironment.PATH}` };

interface Language {
  readonly name: 'python' | 'go';
  readonly programs: readonly string[];
  /** What is missing; empty: nothing. */
  readonly lacks: () => string;
  /** Run in the folder of the examples. */
  readonly command: readonly [string, ...string[]];
}

const LANGUAGES: readonly Language[] = [
  {
    name: 'python',
    programs: ['python3', 'protoc', 'grpc_python_plugin'],
    lacks: () =>
      spawnSync('python3', ['-c', 'import grpc, google.protobuf'], { env }).status === 0
        ? ''
        : 'the modules grpc and google.protobuf',
    command: ['python3', 'python/client.py'],
  },
  {
    name: 'go',
    programs: ['go', 'protoc', 'protoc-gen-go', 'protoc-gen-go-grpc'],
    lacks: () => {
      // The last is not in the packages of Go's old protobuf, which knows no generated code of today.
      const needed = [
        'google.golang.org/grpc',
        'google.golang.org/protobuf',
        'github.com/golang/protobuf/proto/wire.go',
      ];
      return needed.filter((path) => !existsSync(join(GO_SOURCES, path))).join(', ');
    },
    command: ['./go/client'],
  },
];

function skipped({ name, programs, lacks }: Language): string | false {
  const missing = programs.find((program) => spawnSync('which', [program], { env }).status !== 0) ?? lacks();
  return missing === '' ? false : `${name} lacks ${missing}; docs/examples/README.md says what to install`;
}

interface Example {
  readonly server: TestServer;
  readonly relay: Relay;
  /** Runs a command of the client through the relay; resolves with what it wrote to standard error. */
  run(...args: string[]): Promise<string>;
}

for (const language of LANGUAGES) {
  describe(`the example in ${language.name}`, { skip: skipped(language) }, () => {
    const copy = mkdtempSync(join(tmpdir(), 'sluice-examples-'));
    const folder = join(copy, 'docs/examples');
    before(() => build(language.name, copy, folder));
    after(() => rmSync(copy, { recursive: true, force: true }));

    const runAt = async (address: string, ...args: string[]) => {
      const [program, ...first] = language.command;
      const options = { cwd: folder, env, timeout: patient(TIMEOUT_MS) };
      return (await run(program, [...first, address, ...args], options)).stderr;
    };
    const started = async (t: TestContext): Promise<Example> => {
      const server = await startServer(t, { writable: true });
      const relay = await startRelay(t, server.port);
      return { server, relay, run: (...args) => runAt(relay.address, ...args) };
    };

    it('downloads a file whose connection breaks again and again', async (t) => {
      const example = await started(t);
      const content = example.server.write('file', noise(1, 9 * MIB + 1));
      const target = join(scratchDirectory(t), 'target');
      example.relay.cutAfterBytes.push(...CUTS);
      assert.match(await example.run('get', 'file', target), /resuming/);
      assertBytes(readFileSync(target), content, 0);
      assert.ok(example.relay.cutAfterBytes.length > 0);
      await assert.rejects(example.run('get', 'no-such-file', target), /NOT_FOUND/);
    });

    it('starts a download over when the file has changed', async (t) => {
      const { relay, run: runClient, server } = await started(t);
      server.write('file', noise(3, 9 * MIB));
      const target = join(scratchDirectory(t), 'target');
      relay.cutAfterBytes.push(...CUTS);
      const downloaded = runClient('get', 'file', target);
      // By then the first has ended, and three more at least are needed.
      await until('a second connection', () => relay.cutAfterBytes.length <= CUTS.length - 2);
      const replaced = noise(4, 5 * MIB + 1);
      server.replace('file', replaced);
      await downloaded;
      assertBytes(readFileSync(target), replaced, 0);
      const { calls } = countersOf(server.server);
      const changes =
        calls.value('StreamFile', 'VERSION_MISMATCH') + calls.value('StreamFile', 'FILE_CHANGED');
      assert.ok(changes > 0);
    });

    it('uploads a file whose connection breaks', async (t) => {
      const example = await started(t);
      const content = noise(2, 9 * MIB + 1);
      const source = join(scratchDirectory(t), 'source');
      writeContent(source, content);
      example.relay.cutAfterSentBytes.push(6 * MIB);
      assert.match(await example.run('put', source, 'dir/file'), /resuming/);
      assertBytes(readFileSync(example.server.at('dir/file')), content, 0);
      const { receivedBytes } = countersOf(example.server.server);
      const sentBytes = receivedBytes.value('wire', 'identity');
      assert.ok(sentBytes < 6 * MIB + content.size, `${sentBytes} bytes were sent`);
      await example.server.untilIdle();
    });

    it('uploads a file that a server before a bucket keeps in memory until the finish', async (t) => {
      const { address, get } = await servedModel(t);
      const content = noise(5, 300 * KIB);
      const source = join(scratchDirectory(t), 'source');
      writeContent(source, content);
      await runAt(address, 'put', source, 'dir/file');
      assert.deepEqual(await get('dir/file'), readFileSync(source));
    });

    it('writes, lists and reads files on an Exchange that breaks', async (t) => {
      const example = await started(t);
      const { relay, server } = example;
      mkdirSync(server.at('d'));
      for (const [index, size] of [5 * MIB, 3 * MIB + 1, 70 * KIB].entries()) {
        server.write(`d/large-${index}`, noise(index, size));
      }
      for (let index = 0; index < 300; index++) server.write(`d/small-${index}`, noise(index, index * 50));
      const target = join(scratchDirectory(t), 'target');
      relay.cutAfterBytes.push(...CUTS.slice(0, 3));
      assert.match(await example.run('tour', 'd', target), /resuming/);
      const names = readdirSync(server.at('d'));
      assert.equal(names.length, 305);
      assert.deepEqual(readdirSync(target).sort(), names.sort());
      for (const name of names) {
        assert.ok(readFileSync(join(target, name)).equals(readFileSync(server.at(`d/${name}`))), name);
      }
      assert.equal(readFileSync(server.at('d/hello.txt'), 'utf8'), 'hello\n');
      const { exchangeRequests } = countersOf(server.server);
      for (const kind of ['read', 'readPack', 'stat', 'list', 'write'] as const) {
        assert.ok(exchangeRequests.value(kind, 'OK') > 0, kind);
      }
      await server.untilIdle();
    });
  });
}

/** Runs the commands of the README in a copy of the examples. */
async function build(language: string, copy: string, folder: string): Promise<void> {
  cpSync(join(ROOT, 'docs/examples'), folder, { recursive: true });
  cpSync(join(ROOT, 'proto'), join(copy, 'proto'), { recursive: true });
  const page = readFileSync(join(folder, 'README.md'), 'utf8');
  const [commands, ...others] = codeBlocksIn(page).filter(({ mark }) => mark === language);
  assert.ok(commands !== undefined && others.length === 0);
  await run('sh', ['-ec', commands.text], { cwd: folder, env, timeout: patient(TIMEOUT_MS) });
}
