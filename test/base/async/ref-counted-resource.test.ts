import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RefCountedResource } from '../../../src/base/async/ref-counted-resource.ts';

describe('a shared resource', () => {
  it('is released once, after its last use', async () => {
    let releases = 0;
    let endUse: () => void = () => {};
    const resource = new RefCountedResource('the thing', async () => {
      releases += 1;
    });
    const use = resource.use(() => new Promise<void>((resolve) => (endUse = resolve)));
    const closes = Promise.all([resource.close(), resource.close()]);
    assert.equal(releases, 0);
    endUse();
    await use;
    await closes;
    await resource.close();
    assert.equal(releases, 1);
  });

  it('refuses a use after its close', async () => {
    const resource = new RefCountedResource('the thing', async () => {});
    await resource.close();
    await assert.rejects(
      resource.use(async () => {}),
      { code: 'UNAVAILABLE', message: 'the thing is closed' },
    );
  });

  it('is released after a use that failed', async () => {
    let isReleased = false;
    const resource = new RefCountedResource('the thing', async () => {
      isReleased = true;
    });
    await assert.rejects(
      resource.use(() => Promise.reject(new Error('broken'))),
      { message: 'broken' },
    );
    await resource.close();
    assert.ok(isReleased);
  });

  it('is released once all that hold it let it go, each as often as it likes', async () => {
    let isReleased = false;
    const resource = new RefCountedResource('the thing', async () => {
      isReleased = true;
    });
    const [first, second] = [resource.hold(), resource.hold()];
    const closed = resource.close();
    assert.throws(() => resource.hold(), { code: 'UNAVAILABLE' });
    first();
    first();
    assert.equal(isReleased, false);
    second();
    await closed;
    assert.equal(isReleased, true);
  });

  it('tells every closer of a release that failed', async () => {
    const resource = new RefCountedResource('the thing', () => Promise.reject(new Error('stuck')));
    await assert.rejects(resource.close(), { message: 'stuck' });
    await assert.rejects(resource.close(), { message: 'stuck' });
  });
});
