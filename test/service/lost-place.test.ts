/** Calls that lose their places while their handlers are at work. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fromAddress } from '../support/peers/from-address.ts';
import { RawClient } from '../support/peers/raw-client.ts';
import { until, within } from '../support/until.ts';
import { UploadService } from './upload-service.ts';

it('a call that loses its place is answered at once, and its handler ends in peace', async (t) => {
  const service = await UploadService.start(t, { calls: 2 });
  const client = (address: string) => {
    const made = new RawClient(address);
    t.after(() => made.close());
    return made;
  };
  const own = client(`127.0.0.1:${service.port}`);
  const other = client(await fromAddress(t, service.port, '127.0.0.2'));
  const ids: string[] = [];
  for (const fileName of ['a', 'b', 'c']) {
    const { answer } = await own.unary('StartUpload', { fileName });
    ids.push(String(answer?.uploadId));
  }
  const release = service.store.hold('finish');
  const [first, second] = ids.slice(0, 2).map((uploadId) => own.unary('FinishUpload', { uploadId }));
  await until('two handlers are at work', () => service.prelude.places.calls.active === 2);
  const late = await within('the call of another', other.unary('GetUploadStatus', { uploadId: ids[2] }));
  assert.equal(late.status, 'OK', late.details);
  const lost = await within('the one that lost its place', first as NonNullable<typeof first>);
  assert.deepEqual([lost.status, lost.code], ['ABORTED', 'EVICTED']);
  // What its handler holds is counted until it has ended.
  assert.equal(service.prelude.places.calls.leaving, 1);
  release();
  assert.equal(
    (await within('the one that kept its place', second as NonNullable<typeof second>)).status,
    'OK',
  );
  await until(
    'nobody holds anything',
    () => service.prelude.places.calls.active + service.prelude.places.calls.leaving === 0,
  );
  assert.deepEqual(service.store.fileNames, ['a', 'b']);
});
