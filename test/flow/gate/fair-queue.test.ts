import assert from 'node:assert/strict';
import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { FairQueue } from '../../../src/flow/gate/fair-queue.ts';

/** A session and the socket below it, as far as the queue sees them. */
function connection() {
  const state = { destroyed: false, isRead: true };
  const handle = {
    readStop() {
      state.isRead = false;
    },
    readStart() {
      state.isRead = true;
    },
  };
  return {
    state,
    session: state as unknown as ServerHttp2Session,
    socket: { _handle: handle } as unknown as Socket,
  };
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test('hundreds of calls of one connection wait for their turns, unread, and those of another do not', async () => {
  const queue = new FairQueue();
  const [greedy, modest] = [connection(), connection()];
  const ofGreedy = queue.of(greedy.session, greedy.socket);
  const ofModest = queue.of(modest.session, modest.socket);
  const begun: number[] = [];
  for (let i = 0; i < 500; i++) ofGreedy.begin(() => begun.push(i));
  assert(begun.length > 0 && begun.length < 50, `${begun.length}`);
  assert.equal(greedy.state.isRead, false);
  let hasBegun = false;
  ofModest.begin(() => {
    hasBegun = true;
  });
  assert(hasBegun);
  assert.equal(modest.state.isRead, true);
  let last = begun.length;
  for (let turn = 0; begun.length < 500; turn++) {
    assert(turn < 100);
    await nextTurn();
    assert(begun.length - last < 50);
    last = begun.length;
  }
  assert.deepEqual(
    begun,
    Array.from({ length: 500 }, (_, i) => i),
  );
  await nextTurn();
  assert.equal(greedy.state.isRead, true);
});

test('connections that wait have their turns one after the other', async () => {
  const queue = new FairQueue();
  const counts = Array.from({ length: 100 }, () => 0);
  for (const index of counts.keys()) {
    const { session, socket } = connection();
    const own = queue.of(session, socket);
    for (let i = 0; i < 100; i++) own.begin(() => counts.splice(index, 1, (counts[index] ?? 0) + 1));
  }
  for (let turn = 0; turn < 30; turn++) await nextTurn();
  assert(Math.max(...counts) - Math.min(...counts) <= 2, counts.join());
  for (let turn = 0; counts.some((count) => count < 100); turn++) {
    assert(turn < 1000);
    await nextTurn();
  }
});

test('what waits of a connection that has ended is let go at once', async () => {
  const queue = new FairQueue();
  const { state, session, socket } = connection();
  const own = queue.of(session, socket);
  let begun = 0;
  for (let i = 0; i < 1000; i++)
    own.begin(() => {
      begun += 1;
    });
  state.destroyed = true;
  await nextTurn();
  await nextTurn();
  assert.equal(begun, 1000);
});

test('a connection that rests is read again in the next turn, behind what waits of it', async () => {
  const queue = new FairQueue();
  const [idle, busy] = [connection(), connection()];
  queue.of(idle.session, idle.socket).rest();
  const own = queue.of(busy.session, busy.socket);
  let begun = 0;
  for (let i = 0; i < 200; i++)
    own.begin(() => {
      begun += 1;
    });
  own.rest();
  assert.equal(idle.state.isRead, false);
  await nextTurn();
  assert.equal(idle.state.isRead, true);
  assert.equal(busy.state.isRead, false);
  for (let turn = 0; !busy.state.isRead; turn++) {
    assert(turn < 100);
    await nextTurn();
  }
  assert.equal(begun, 200);
});

test('a connection that rests as a stream of it begins is read again a turn later', async () => {
  const queue = new FairQueue();
  const { state, session, socket } = connection();
  const own = queue.of(session, socket);
  let begun = 0;
  for (let i = 0; i < 17; i++)
    own.begin(() => {
      begun += 1;
      if (begun === 17) own.rest();
    });
  assert.equal(begun, 16);
  await nextTurn();
  assert.equal(begun, 17);
  assert.equal(state.isRead, false);
  await nextTurn();
  assert.equal(state.isRead, true);
});
