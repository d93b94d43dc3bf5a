/** A file that changes under a transfer: never OK with wrong bytes, in whatever way it changed. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { test } from 'node:test';
import { assertBytes, noise } from '../support/content.ts';
import { bytesOf, type ChunkMessage, endOf, firstMessage } from '../support/peers/raw-client.ts';
import { MIB, STORES, startServer, type TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const SIZE = 4 * MIB;

const CHANGES: Record<string, (server: TestServer) => void> = {
  'grows by one byte': (server) => appendFileSync(server.at('file'), 'x'),
  'shrinks to its half': (server) => truncateSync(server.at('file'), SIZE / 2),
  'becomes empty': (server) => truncateSync(server.at('file'), 0),
  'is overwritten in place at its end': (server) => {
    const fd = openSync(server.at('file'), 'r+');
    writeSync(fd, Buffer.alloc(100, 1), 0, 100, SIZE - 100);
    closeSync(fd);
  },
  'is overwritten in place where it was already read': (server) => {
    const fd = openSync(server.at('file'), 'r+');
    writeSync(fd, Buffer.alloc(100, 1), 0, 100, 0);
    closeSync(fd);
  },
  'is replaced by a file of the same size': (server) => {
    server.write('new', noise(99, SIZE));
    renameSync(server.at('new'), server.at('file'));
  },
  'is removed': (server) => rmSync(server.at('file')),
  'is renamed': (server) => renameSync(server.at('file'), server.at('elsewhere')),
  'is touched': (server) => utimesSync(server.at('file'), 1, 1),
  'becomes a directory': (server) => {
    rmSync(server.at('file'));
    mkdirSync(server.at('file'));
  },
  'becomes a link to itself': (server) => {
    renameSync(server.at('file'), server.at('elsewhere'));
    symlinkSync('elsewhere', server.at('file'));
  },
};

/** Changes that leave a regular file under the name, so that there is a new version to tell. */
const LEAVE_NO_FILE = /removed|renamed|directory|link/;
/** Changes that leave the bytes of the opened file as they were. */
const WRITE_IN_PLACE = /overwritten|shrinks|empty/;

for (const [change, apply] of Object.entries(CHANGES)) {
  test(`a transfer whose file ${change} ends in ABORTED with FILE_CHANGED`, async (t) => {
    const server = await startServer(t, { stream: { stallTimeout: 60_000 } });
    const content = server.write('file', noise(1, SIZE));
    const client = server.client();
    const call = client.stream({ fileName: 'file', wantChecksums: true });
    const opening = await firstMessage(call);
    await until('the window is used up', () => server.server.stats().jobsOutstanding === 0);
    assert.equal(server.server.stats().transfers, 1);

    apply(server);
    const messages: ChunkMessage[] = [];
    call.on('data', (message: ChunkMessage) => messages.push(message));
    const ended = endOf(call);
    call.resume();
    const end = await ended;
    assert.deepEqual([end.status, end.code], ['ABORTED', 'FILE_CHANGED'], end.details);
    assert(!end.details.includes(server.root), end.details);
    assert(!messages.some(({ summary }) => summary), 'a summary of bytes that are not one version');
    if (!WRITE_IN_PLACE.test(change)) assertBytes(bytesOf(messages), content, 0);
    const now = await client.unary('StatFile', { fileName: 'file' });
    assert.equal(now.status === 'OK', !LEAVE_NO_FILE.test(change));
    assert.notEqual(end.version, opening.file?.version);
    await server.untilIdle();
  });
}

for (const store of STORES) {
  test(`a change tells the new version, and a transfer pinned to the old one is refused with it (${store})`, async (t) => {
    const server = await startServer(t, {}, { store });
    server.write('file', noise(1, 1000));
    const client = server.client();
    const versionNow = async () => {
      const { answer } = await client.unary('StatFile', { fileName: 'file' });
      return (answer as { file: { version: string } }).file.version;
    };
    const old = await versionNow();
    assert.equal((await client.fetch({ fileName: 'file', ifMatch: old })).status, 'OK');
    server.replace('file', noise(2, 1001));
    const refused = await client.fetch({ fileName: 'file', ifMatch: old });
    assert.deepEqual([refused.status, refused.code], ['FAILED_PRECONDITION', 'VERSION_MISMATCH']);
    assert.equal(refused.version, await versionNow());
    assert.equal(refused.messages.length, 0);
  });
}
