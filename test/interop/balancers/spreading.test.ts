/** Which server behind a balancer gets connections and calls: by health, by age, by the client's address. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { assertBytes, noise, writeContent } from '../../support/content.ts';
import { RawClient } from '../../support/peers/raw-client.ts';
import { scratchRoot } from '../../support/scratch.ts';
import { MIB } from '../../support/test-server.ts';
import { within } from '../../support/until.ts';
import { lacks, startProcessScene, startScene } from './scene.ts';

const CONTENT = noise(2, 16 * MIB);

function rootWithFile(t: TestContext): string {
  const root = scratchRoot(t);
  writeContent(join(root, 'file'), CONTENT);
  return root;
}

for (const name of ['HAProxy, L4', 'HAProxy, L7'] as const) {
  test(`${name}: a server that drains gets no new clients while it still serves`, {
    skip: lacks(name),
  }, async (t) => {
    const root = rootWithFile(t);
    const settings = { shutdown: { pause: '10m' } };
    const { client, servers, totals } = await startProcessScene(t, { name, roots: [root, root], settings });
    const [one, two] = [client(), client()];
    await Promise.all([one.stat('file'), two.stat('file')]);

    process.kill(servers[0].pid, 'SIGTERM');
    // Taking turns, each of them has two of four new connections.
    const fourCalls = async () => {
      const before = await totals();
      for (let clients = 0; clients < 4; clients += 1) await client().stat('file');
      return (await totals()).map(({ calls }, index) => calls - (before[index]?.calls ?? 0));
    };
    const untilOneIsOut = async () => {
      for (;;) if ((await fourCalls())[0] === 0) return;
    };
    await within('the balancer has noticed', untilOneIsOut());
    assert.deepEqual(await fourCalls(), [0, 4]);
    // One of them has its connection to the server that drains.
    await Promise.all([one.stat('file'), two.stat('file')]);
    assert.equal(servers[0].hasExited, false);
  });
}

for (const name of ['HAProxy, L4', 'nginx, L4'] as const) {
  test(`${name}: connection.maxAge spreads the calls of one client, and what it cuts goes on`, {
    skip: lacks(name),
  }, async (t) => {
    const root = rootWithFile(t);
    const settings = { connection: { maxAge: '1s', maxAgeGrace: '100ms' } };
    const { client, totals } = await startScene(t, { name, roots: [root, root], settings });
    const one = client();
    async function downloadUntilBothHaveSent() {
      do {
        const chunks: Buffer[] = [];
        for await (const chunk of one.stream('file')) chunks.push(Buffer.from(chunk));
        assertBytes(Buffer.concat(chunks), CONTENT, 0);
      } while ((await totals()).some(({ sentRawBytes }) => sentRawBytes === 0));
    }
    await within('both servers have sent', downloadUntilBothHaveSent());
  });
}

/** How the calls of an upload end when each may go to any server: their codes, '' for OK. */
async function statusCodes(t: TestContext, address: string): Promise<string[]> {
  const client = new RawClient(address);
  t.after(() => client.close());
  const { answer } = await client.unary('StartUpload', { fileName: 'new' });
  const codes: string[] = [];
  for (let calls = 0; calls < 4; calls += 1) {
    codes.push((await client.unary('GetUploadStatus', { uploadId: answer?.uploadId })).code);
  }
  return codes;
}

for (const name of ['HAProxy, L7', 'nginx, L7'] as const) {
  const settings = { writable: true };

  test(`${name}: a call for an upload of the other server says so`, { skip: lacks(name) }, async (t) => {
    const roots = [scratchRoot(t), scratchRoot(t)] as const;
    const { address } = await startScene(t, { name, roots, settings });
    assert.deepEqual([...new Set(await statusCodes(t, address))].sort(), ['', 'UPLOAD_NOT_FOUND']);
  });

  test(`${name}: with affinity by address, uploads stay on their server`, {
    skip: lacks(name),
  }, async (t) => {
    const roots = [scratchRoot(t), scratchRoot(t)] as const;
    const { address, client } = await startScene(t, { name, roots, settings, affinity: true });
    assert.deepEqual(await statusCodes(t, address), ['', '', '', '']);

    await client().upload(CONTENT.bytes(0, CONTENT.size), 'new');
    assert.deepEqual(roots.filter((root) => existsSync(join(root, 'new'))).length, 1);
  });
}
