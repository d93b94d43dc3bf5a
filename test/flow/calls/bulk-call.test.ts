import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { TransferError } from '../../../src/base/errors.ts';
import { until } from '../../support/until.ts';
import { gateTo, grpcCall, messagesOf, rawCall, runOf, serveBulk, type TestCall } from './bulk-server.ts';

/** Writes the runs one after another, each when the one before is done. */
async function writeAll(call: TestCall, runs: Uint8Array[]): Promise<void> {
  for (const run of runs) await new Promise<void>((done) => call.write(run, done));
}

/** Ends the client's call and awaits what it ended with. */
async function errorOf(call: ReturnType<typeof grpcCall>): Promise<ServiceError> {
  call.resume();
  const [error] = await once(call, 'error');
  return error as ServiceError;
}

/** Uses a closed call in every way: how many writes were done, and whether a late listener was told. */
async function useClosed(call: TestCall): Promise<{ dones: number; told: boolean }> {
  let dones = 0;
  let told = false;
  call.write(runOf([1], 10), () => (dones += 1));
  call.onClose(() => (told = true));
  await call.untouched();
  await call.send(Buffer.from('nobody there'));
  return { dones, told };
}

for (const zeroCopy of [true, false]) {
  describe(`a run sent ${zeroCopy ? 'zero copy' : 'by the ordinary path'}`, () => {
    it('is on the wire byte by byte as it was written', async (t) => {
      const runs = [runOf([1, 2, 3], 50_000), runOf([4], 0), runOf([5, 6], 1), runOf([7], 300_000)];
      const { port } = await serveBulk(
        t,
        zeroCopy,
        (call) => void writeAll(call, runs).then(() => call.end()),
      );
      const { body } = await rawCall(t, port);
      assert.ok((await body).equals(Buffer.concat(runs)));
    });

    it('arrives as its messages, in order, between ordinary ones', async (t) => {
      const { port } = await serveBulk(t, zeroCopy, async (call) => {
        await call.send(Buffer.from('first'));
        await writeAll(call, [runOf([1, 2], 40_000), runOf([3], 0)]);
        await call.send(Buffer.from('last'));
        call.end();
      });
      const messages = await messagesOf(grpcCall(t, port));
      const expected = [
        Buffer.from('first'),
        Buffer.alloc(40_000, 1),
        Buffer.alloc(40_000, 2),
        Buffer.alloc(0),
        Buffer.from('last'),
      ];
      assert.deepEqual(messages, expected);
    });

    it('may be overwritten once it is done: the client never sees it', async (t) => {
      const rounds = 100;
      const { port } = await serveBulk(t, zeroCopy, async (call) => {
        const slab = new Uint8Array(new SharedArrayBuffer(2 * 100_005));
        for (let round = 0; round < rounds; round++) {
          slab.set(runOf([round, round], 100_000));
          await writeAll(call, [slab]);
          slab.fill(0xee);
        }
        call.end();
      });
      const messages = await messagesOf(grpcCall(t, port));
      assert.equal(messages.length, 2 * rounds);
      for (const [i, message] of messages.entries()) assert.ok(message.equals(Buffer.alloc(100_000, i >> 1)));
    });

    it('is untouched as soon as it is done', async (t) => {
      const { port } = await serveBulk(t, zeroCopy, async (call) => {
        await call.untouched();
        call.write(runOf([1], 1000), () => {});
        await call.untouched();
        call.end();
      });
      assert.equal((await messagesOf(grpcCall(t, port))).length, 1);
    });
  });
}

describe('a bulk call', () => {
  it('that fails sends what was written and then the status', async (t) => {
    const { port } = await serveBulk(t, true, async (call) => {
      await writeAll(call, [runOf([1], 1000)]);
      call.fail({ code: status.ABORTED, details: 'the file changed', metadata: new Metadata() });
    });
    const call = grpcCall(t, port);
    let received = 0;
    call.on('data', () => (received += 1));
    const error = await errorOf(call);
    assert.equal(error.code, status.ABORTED);
    assert.equal(error.details, 'the file changed');
    assert.equal(received, 1);
  });

  it('that is reset ends at once for both sides', async (t) => {
    let closes = 0;
    const { port } = await serveBulk(t, true, (call) => {
      call.onClose(() => {
        closes += 1;
      });
      call.write(runOf([1], 10_000_000), () => {});
      call.reset();
      assert.ok(call.isClosed);
      call.reset();
    });
    const error = await errorOf(grpcCall(t, port));
    assert.equal(error.code, status.CANCELLED);
    assert.equal(closes, 1);
  });

  it('gives up an ordinary message that its peer does not take as STALLED', async (t) => {
    let ended: (outcome: Promise<void>) => void = () => {};
    const sending = new Promise<void>((resolve) => (ended = resolve));
    const fillWindow = async (call: TestCall) => {
      for (;;) await call.send(Buffer.alloc(100_000));
    };
    const { port } = await serveBulk(t, true, (call) => ended(fillWindow(call)), 100);
    const failure = assert.rejects(sending, { code: 'STALLED' });
    const gate = await gateTo(t, port);
    await rawCall(t, gate.port);
    gate.shut();
    await failure;
  });

  it('gives up a run that its peer does not take as STALLED, and keeps it until it is certainly untouched', async (t) => {
    let stalled: (error: TransferError) => void = () => {};
    const giveUp = new Promise<TransferError>((resolve) => (stalled = resolve));
    let isDone = false;
    let isUntouched = false;
    const { port, sockets } = await serveBulk(
      t,
      true,
      (call) => {
        call.onAbandon(stalled);
        call.write(runOf([1], 50_000_000), () => (isDone = true));
        void call.untouched().then(() => (isUntouched = true));
      },
      100,
    );
    const gate = await gateTo(t, port);
    await rawCall(t, gate.port);
    gate.shut();
    assert.equal((await giveUp).code, 'STALLED');
    assert.deepEqual({ isDone, isUntouched }, { isDone: false, isUntouched: false });
    for (const socket of sockets) socket.destroy();
    await until('the end of the session', () => isUntouched);
  });

  it('notices that the client cancelled', async (t) => {
    let closed: () => void = () => {};
    const noticed = new Promise<void>((resolve) => (closed = resolve));
    const { port } = await serveBulk(t, true, (call) => {
      call.onClose(() => {
        assert.ok(call.isClosed);
        closed();
      });
      void call.send(Buffer.from('go on'));
    });
    const call = grpcCall(t, port);
    call.on('error', () => {});
    await once(call, 'data');
    call.cancel();
    await noticed;
  });

  it('that is closed takes no more, finishes no more and tells late listeners', async (t) => {
    let ended: (outcome: ReturnType<typeof useClosed>) => void = () => {};
    const outcome = new Promise<{ dones: number; told: boolean }>((resolve) => (ended = resolve));
    const { port } = await serveBulk(t, true, (call) => {
      call.onClose(() => ended(useClosed(call)));
      call.reset();
    });
    await errorOf(grpcCall(t, port));
    assert.deepEqual(await outcome, { dones: 0, told: true });
  });
});
