/**
 * Every RPC and every request of an Exchange, by callers with each right, with
 * none, and without a name. The tables have a row for all there are in the contract.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { constants } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { PATH_RIGHTS, type PathRight, SERVER_RIGHTS, type ServerRight } from '../../src/access/rights.ts';
import { EXCHANGE_REQUEST_KINDS, type ExchangeRequestKind } from '../../src/base/counters/counters.ts';
import { adminService } from '../../src/wire/service.ts';
import { noise } from '../support/content.ts';
import { contract, endOf, type RawClient } from '../support/peers/raw-client.ts';
import { RawExchange } from '../support/peers/raw-exchange.ts';
import { answerOf, RawSession } from '../support/peers/raw-http2.ts';
import { STORES, type StoreKind, startServer, type TestServer } from '../support/test-server.ts';
import { accessFile, Tokens } from './tokens.ts';

/** What a caller without the right gets. */
const DENIED = 'PERMISSION_DENIED';

interface Row {
  readonly right: PathRight;
  /** Where it is about an upload: those who did not begin it are told this. */
  readonly toOthers?: string;
  /** 'OK', or the code that it ended with. */
  call(client: RawClient, name: string, uploadId: string): Promise<string>;
}

const unary =
  (method: string, request: (name: string, uploadId: string) => object): Row['call'] =>
  async (client, name, uploadId) =>
    codeOf(await client.unary(method, request(name, uploadId)));

const streaming =
  (method: string, request: (name: string) => object): Row['call'] =>
  async (client, name) => {
    const call = client.serverStream(method, request(name));
    call.resume();
    return codeOf(await endOf(call));
  };

const OF_UPLOAD = { right: 'write', toOthers: 'UPLOAD_NOT_FOUND' } as const;

const METHODS: Readonly<Record<string, Row>> = {
  GetFileSize: { right: 'read', call: unary('GetFileSize', (fileName) => ({ fileName })) },
  StatFile: { right: 'read', call: unary('StatFile', (fileName) => ({ fileName })) },
  ListFiles: { right: 'list', call: streaming('ListFiles', (name) => ({ prefix: directoryOf(name) })) },
  StreamFile: { right: 'read', call: streaming('StreamFile', (fileName) => ({ fileName })) },
  StartUpload: {
    right: 'write',
    call: unary('StartUpload', (fileName) => ({ fileName, overwrite: 'OVERWRITE_ALWAYS' })),
  },
  UploadFile: {
    right: 'write',
    call: async (client, name) => {
      const { call, ended } = client.clientStream('UploadFile');
      call.write({ start: { fileName: name, overwrite: 'OVERWRITE_ALWAYS' }, finish: true });
      call.end();
      return codeOf(await ended);
    },
  },
  GetUploadStatus: { ...OF_UPLOAD, call: unary('GetUploadStatus', (_name, uploadId) => ({ uploadId })) },
  FinishUpload: {
    ...OF_UPLOAD,
    call: unary('FinishUpload', (_name, uploadId) => ({ uploadId, expected: { size: 0 } })),
  },
  // One that is gone is no error, and neither is one of somebody else: nothing happens to it.
  AbortUpload: {
    right: 'write',
    toOthers: 'OK',
    call: unary('AbortUpload', (_name, uploadId) => ({ uploadId })),
  },
  DeleteFile: { right: 'delete', call: unary('DeleteFile', (fileName) => ({ fileName })) },
  MakeDirectory: { right: 'write', call: unary('MakeDirectory', (name) => ({ fileName: `${name}.d` })) },
};

/** Of the Admin service. */
const ADMIN_METHODS: Readonly<Record<string, ServerRight>> = {
  Watch: 'observe',
  GetHistory: 'observe',
  GetConfig: 'observe',
  CancelTransfer: 'control',
  DiscardUpload: 'control',
};

/** Needs no right by itself: each of its requests is decided. */
const WITHOUT_RIGHT = ['Exchange'];

/** What a request asks for, and what tells how it was decided. */
interface Item {
  readonly right: PathRight;
  wish(name: string, version: string): Record<string, unknown>;
  /** Default: the code of the end. */
  outcome?(exchange: RawExchange, id: number): string;
}

const ITEMS: Readonly<Record<ExchangeRequestKind, Item>> = {
  read: { right: 'read', wish: (fileName) => ({ credit: 1e6, read: { fileName } }) },
  readPack: {
    right: 'read',
    wish: (fileName, version) => ({ credit: 1e6, readPack: { files: [{ fileName, size: SIZE, version }] } }),
    // The byte in front of a file: it is there as asked for, or it is not.
    outcome: (exchange, id) => (exchange.bytesOf(id)[0] === 0 ? 'OK' : DENIED),
  },
  stat: { right: 'read', wish: (fileName) => ({ stat: { fileName } }) },
  list: { right: 'list', wish: (name) => ({ credit: 1e6, list: { prefix: directoryOf(name) } }) },
  write: {
    right: 'write',
    wish: (fileName) => ({
      write: {
        files: [{ fileName: `${fileName}.new`, size: 3, overwrite: 'OVERWRITE_ALWAYS' }],
        content: Buffer.from('new'),
      },
    }),
    outcome: (exchange, id) =>
      exchange.of(id).find(({ written }) => written)?.written?.results[0]?.failure?.sluiceCode ?? 'OK',
  },
  makeDirectory: { right: 'write', wish: (name) => ({ makeDirectory: { fileName: `${name}.d` } }) },
};

const SIZE = 7;
const CONTENT = noise(1, SIZE);

/** One directory that each right is given for, and one that none is. */
const OURS = 'ours';
const THEIRS = 'theirs';

function codeOf({ code, status }: { code: string; status: string }): string {
  return status === 'OK' ? 'OK' : code;
}

function directoryOf(name: string): string {
  return name.slice(0, name.lastIndexOf('/'));
}

interface Scene {
  readonly server: TestServer;
  readonly tokens: Tokens;
  client(identity: string | undefined): RawClient;
  exchange(identity: string | undefined): RawExchange;
}

/** Identities are called after their rights. */
async function served(t: TestContext, store: StoreKind): Promise<Scene> {
  const tokens = new Tokens();
  const rules = PATH_RIGHTS.map((right) => ({ who: [right], may: [right], on: [`${OURS}/**`] }));
  const all = { who: ['all'], may: [...PATH_RIGHTS], on: ['**'] };
  const { path } = accessFile(t, {
    tokens: tokens.section([...PATH_RIGHTS, ...SERVER_RIGHTS, 'all']),
    rules: [...rules, ...SERVER_RIGHTS.map((right) => ({ who: [right], may: [right] })), all],
  });
  const server = await startServer(t, { writable: true, access: path }, { store });
  if (store === 'local') for (const directory of [OURS, THEIRS]) mkdirSync(server.at(directory));
  return {
    server,
    tokens,
    client: (identity) => server.client({}, identity === undefined ? undefined : tokens.of(identity)),
    exchange: (identity) => {
      const exchange = new RawExchange(
        server.address,
        identity === undefined ? undefined : tokens.of(identity),
      );
      t.after(() => exchange.close());
      return exchange;
    },
  };
}

test('every RPC has a row, and every request of an Exchange', () => {
  assert.deepEqual(Object.keys(contract).sort(), [...Object.keys(METHODS), ...WITHOUT_RIGHT].sort());
  assert.deepEqual(Object.keys(ITEMS).sort(), [...EXCHANGE_REQUEST_KINDS].sort());
});

/** Calls `judge` with each right, in a place where it is given, and in one where it is not. */
async function forEachRight(
  server: TestServer,
  judge: (right: PathRight, name: string, isOurs: boolean) => Promise<void>,
): Promise<void> {
  for (const right of PATH_RIGHTS) {
    for (const directory of [OURS, THEIRS]) {
      const name = `${directory}/file`;
      server.write(name, CONTENT);
      await judge(right, name, directory === OURS);
    }
  }
}

for (const store of STORES) {
  test(`every RPC asks for its right and no other (${store})`, async (t) => {
    const { client, server } = await served(t, store);
    for (const [method, row] of Object.entries(METHODS)) {
      await forEachRight(server, async (right, name, isOurs) => {
        const isGranted = right === row.right && isOurs;
        // Of whoever may; everybody else asks for an upload that is not theirs.
        const owner = client(isGranted ? right : 'all');
        const { answer } = await owner.unary('StartUpload', {
          fileName: name,
          overwrite: 'OVERWRITE_ALWAYS',
        });
        const uploadId = String(answer?.uploadId);
        const result = await row.call(client(right), name, uploadId);
        assert.equal(
          result,
          isGranted ? 'OK' : (row.toOthers ?? DENIED),
          `${method} of ${name} by one who may ${right}`,
        );
        if (isGranted) return;
        assert.equal(
          codeOf(await owner.unary('GetUploadStatus', { uploadId })),
          'OK',
          `${method} of somebody else leaves the upload as it is`,
        );
        await owner.unary('AbortUpload', { uploadId });
      });
    }
  });

  test(`every request of an Exchange asks for its right and no other (${store})`, async (t) => {
    const { client, exchange, server } = await served(t, store);
    const streams = new Map(PATH_RIGHTS.map((right) => [right, exchange(right)]));
    for (const [kind, item] of Object.entries(ITEMS)) {
      await forEachRight(server, async (right, name, isOurs) => {
        const { answer } = await client('all').unary('StatFile', { fileName: name });
        const stream = streams.get(right) as RawExchange;
        const id = stream.ask(item.wish(name, (answer as { file: { version: string } }).file.version));
        const end = await stream.endOf(id);
        const result = item.outcome?.(stream, id) ?? end;
        const isGranted = right === item.right && isOurs;
        assert.equal(result, isGranted ? 'OK' : DENIED, `${kind} of ${name} by one who may ${right}`);
      });
    }
  });
}

test('every method of the Admin service asks for its right, also of callers on this machine', async (t) => {
  assert.deepEqual(Object.keys(adminService).sort(), Object.keys(ADMIN_METHODS).sort());
  const { server, tokens } = await served(t, 'local');
  const raw = new RawSession(t, server.port);
  const statusOf = async (method: string, headers: Record<string, string>) => {
    const stream = raw.request(String(adminService[method]?.path), Buffer.alloc(5), headers);
    // The first answer of a watch decides; it has no end.
    stream.on('data', () => stream.close(constants.NGHTTP2_CANCEL));
    return Number((await answerOf(stream)).headers['grpc-status'] ?? 0);
  };

  for (const [method, right] of Object.entries(ADMIN_METHODS)) {
    assert.equal(await statusOf(method, {}), status.UNAUTHENTICATED);
    for (const identity of [...PATH_RIGHTS, ...SERVER_RIGHTS]) {
      const result = await statusOf(method, { authorization: `Bearer ${tokens.of(identity)}` });
      assert.equal(
        result === status.PERMISSION_DENIED,
        identity !== right,
        `${method} by one who may ${identity}: ${result}`,
      );
    }
  }
});

test('nobody without a name, or with a wrong token, gets anything', async (t) => {
  const { exchange, server } = await served(t, 'local');
  server.write(`${OURS}/file`, CONTENT);
  for (const token of [undefined, 'sluice_wrong']) {
    for (const [method, { call }] of Object.entries(METHODS)) {
      assert.equal(
        await call(server.client({}, token), `${OURS}/file`, 'f'.repeat(32)),
        'UNAUTHENTICATED',
        method,
      );
    }
  }
  const stream = exchange(undefined);
  stream.ask({ stat: { fileName: `${OURS}/file` } });
  assert.equal(await stream.ended(), 'UNAUTHENTICATED');
  await server.untilIdle();
});
