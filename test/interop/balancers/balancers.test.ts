/** Two servers over one directory behind the balancers of docs/deploy/balancers.md, as that page configures them. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertBytes, noise, writeContent } from '../../support/content.ts';
import { scratchRoot } from '../../support/scratch.ts';
import { MIB } from '../../support/test-server.ts';
import { BALANCERS, lacks, startProcessScene } from './scene.ts';

/** More than a client, a balancer and a server hold for a reader that has stopped. */
const CONTENT = noise(1, 64 * MIB);

for (const name of BALANCERS) {
  test(`${name}: a download goes on at the other server when its server is killed`, {
    skip: lacks(name),
  }, async (t) => {
    const root = scratchRoot(t);
    writeContent(join(root, 'file'), CONTENT);
    const { client, servers, totals } = await startProcessScene(t, {
      name,
      roots: [root, root],
      settings: { compression: { mode: 'off' } },
    });

    const chunks: Buffer[] = [];
    let killed = -1;
    for await (const chunk of client().stream('file')) {
      chunks.push(Buffer.from(chunk));
      if (killed >= 0) continue;
      const sent = await totals();
      killed = sent.findIndex(({ sentRawBytes }) => sentRawBytes > 0);
      if (killed >= 0) await servers[killed]?.end('SIGKILL');
    }

    assertBytes(Buffer.concat(chunks), CONTENT, 0);
    assert.ok(killed >= 0, 'the download came before a server could be killed');
    const other = (await totals())[1 - killed]?.sentRawBytes ?? 0;
    assert.ok(other > 0 && other < CONTENT.size, `the other server sent ${other} bytes of ${CONTENT.size}`);
  });
}
