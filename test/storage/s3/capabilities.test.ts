/** What a server knows of its object store. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Counters } from '../../../src/base/counters/counters.ts';
import { type StoreCapability, storeCapabilitiesText } from '../../../src/base/store-capabilities.ts';
import { openS3 } from '../../../src/storage/s3/open-s3.ts';
import type { Store } from '../../../src/storage/store.ts';
import type { UploadStore } from '../../../src/storage/upload-store.ts';
import { crc32 } from '../../../src/wire/crc32.ts';
import { S3Server } from '../../support/bucket/s3-server.ts';
import { LineLog } from '../../support/line-log.ts';

process.env.AWS_ACCESS_KEY_ID = 'key';
process.env.AWS_SECRET_ACCESS_KEY = 'secret';

interface Opened {
  readonly store: Store;
  readonly uploads: UploadStore;
  /** What it said that the store does. */
  readonly told: string;
  readonly hasWarned: boolean;
}

async function open(t: TestContext, s3: S3Server, capabilities = 'auto'): Promise<Opened> {
  const log = new LineLog(true);
  const where = { bucket: 'bucket', prefix: '', endpoint: s3.endpoint, region: 'us-east-1' };
  const how = { pathStyle: true, requests: 8, hedge: false, capabilities, writable: true };
  const limits = { expiryMs: 86_400_000, maxSizeBytes: 0 };
  const { store, uploads } = await openS3({
    ...where,
    ...how,
    uploads: limits,
    logger: log,
    counters: new Counters(),
  });
  t.after(async () => {
    await uploads?.close();
    await store.close();
  });
  assert.ok(uploads !== null);
  const [told, ...others] = log.lines as unknown as { capabilities: string }[];
  return { store, uploads, told: told?.capabilities ?? '', hasWarned: others.length > 0 };
}

const CONDITIONS: readonly StoreCapability[] = ['put-if-match', 'delete-if-match', 'complete-conditions'];

describe('what a store does', () => {
  it('is found out at start, each by itself, and leaves nothing behind', async (t) => {
    const verifying = await S3Server.start(t);
    const plain = await S3Server.start(t, false);
    const lacking = CONDITIONS.map((name) => CONDITIONS.filter((other) => other !== name));
    for (const conditions of [CONDITIONS, [], ...lacking, ['put-if-match-unquoted'] as const]) {
      for (const s3 of [verifying, plain]) {
        s3.conditions = new Set(conditions);
        const does = new Set(s3 === verifying ? [...conditions, 'checksums' as const] : conditions);
        const { hasWarned, told } = await open(t, s3);
        assert.equal(told, storeCapabilitiesText(does));
        assert.equal(hasWarned, conditions !== CONDITIONS);
        assert.deepEqual([...s3.objects.keys()], []);
      }
    }
  });

  it('is not tried where the operator says it', async (t) => {
    const s3 = await S3Server.start(t);
    const said = 'delete-if-match,checksums';
    assert.equal((await open(t, s3, said)).told, said);
    assert.equal((await open(t, s3, 'none')).told, 'none');
    assert.equal(s3.changes, 0);
  });

  it('decides whether what was read is compared with the checksum of the store', async (t) => {
    const s3 = await S3Server.start(t);
    s3.put('file', Buffer.from('content'));
    const wrong = crc32(Buffer.from('others')) ^ 1;
    const file = await (await open(t, s3, 'none')).store.open('file');
    await file.verifyUnchanged(wrong);
    const checked = await (await open(t, s3, 'checksums')).store.open('file');
    await assert.rejects(checked.verifyUnchanged(wrong), { code: 'DATA_LOSS' });
  });
});
