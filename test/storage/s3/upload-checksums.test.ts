/** The CRC-32 of what is uploaded goes to a store that verifies it. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Counters } from '../../../src/base/counters/counters.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { newUploadId } from '../../../src/base/upload-id.ts';
import { openS3 } from '../../../src/storage/s3/open-s3.ts';
import { checksumText } from '../../../src/storage/s3/reads/stored-checksum.ts';
import type { UploadStore } from '../../../src/storage/upload-store.ts';
import { crc32 } from '../../../src/wire/crc32.ts';
import { S3Server } from '../../support/bucket/s3-server.ts';
import { noise } from '../../support/content.ts';
import { sendTo } from './upload-server.ts';

process.env.AWS_ACCESS_KEY_ID = 'key';
process.env.AWS_SECRET_ACCESS_KEY = 'secret';

const MIB = 1024 * 1024;
/** Of two parts. */
const SIZE = 8 * MIB + 1000;
const CONTENT = noise(1, SIZE).bytes(0, SIZE);

async function opened(
  t: TestContext,
  verifies: boolean,
): Promise<{ s3: S3Server; upload: (content: Buffer) => Promise<unknown> }> {
  const s3 = await S3Server.start(t, verifies);
  const { store, uploads } = await openS3({
    bucket: 'bucket',
    prefix: '',
    endpoint: s3.endpoint,
    region: 'us-east-1',
    pathStyle: true,
    requests: 8,
    hedge: false,
    capabilities: 'auto',
    writable: true,
    uploads: { expiryMs: 86_400_000, maxSizeBytes: 0 },
    logger: silentLogger,
    counters: new Counters(),
  });
  t.after(async () => {
    await uploads?.close();
    await store.close();
  });
  const upload = (content: Buffer) => {
    const { length: size } = content;
    const spec = {
      id: newUploadId(),
      name: 'file',
      expected: { size },
      condition: { kind: 'absent' },
    } as const;
    return sendTo(() => uploads as UploadStore, spec, content, MIB);
  };
  return { s3, upload };
}

describe('an upload to a store that verifies checksums', () => {
  it('sends the CRC-32 of each part', async (t) => {
    const { s3, upload } = await opened(t, true);
    await upload(CONTENT);
    assert.ok(s3.objects.get('file')?.body.equals(CONTENT));
    const { completed } = s3.multiparts;
    assert.equal(completed.length, 2);
    for (const { body, checksum } of completed) assert.equal(checksum, checksumText(crc32(body)));
  });

  it('sends a part again that was damaged on its way', async (t) => {
    const { s3, upload } = await opened(t, true);
    s3.multiparts.damagedParts = 1;
    await upload(CONTENT);
    assert.equal(s3.multiparts.damagedParts, 0);
    assert.ok(s3.objects.get('file')?.body.equals(CONTENT));
  });

  it('sends none where the store knows none', async (t) => {
    const { s3, upload } = await opened(t, false);
    await upload(CONTENT);
    assert.ok(s3.objects.get('file')?.body.equals(CONTENT));
    for (const { checksum } of s3.multiparts.completed) assert.equal(checksum, undefined);
  });
});
