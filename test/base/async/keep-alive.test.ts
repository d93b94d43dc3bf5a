import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { KeepAlive } from '../../../src/base/async/keep-alive.ts';

function scene(t: TestContext, silenceMs: number) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const stream = { sentBytes: 0, maySpeak: true, spoken: 0 };
  const keepAlive = new KeepAlive(silenceMs, {
    sent: () => stream.sentBytes,
    maySpeak: () => stream.maySpeak,
    speak: () => {
      stream.spoken += 1;
      stream.sentBytes += 5;
    },
  });
  return { stream, keepAlive, pass: (ms: number) => t.mock.timers.tick(ms) };
}

test('speaks once for each silence, which its own message ends', (t) => {
  const { stream, pass } = scene(t, 1000);
  for (let second = 1; second <= 10; second += 1) {
    pass(1000);
    assert.equal(stream.spoken, second);
  }
});

test('says nothing while bytes move, and nothing while a message would wait', (t) => {
  const { stream, pass } = scene(t, 1000);
  for (let tick = 0; tick < 10; tick += 1) {
    stream.sentBytes += 1;
    pass(500);
  }
  stream.maySpeak = false;
  pass(10_000);
  assert.equal(stream.spoken, 0);
});

test('a silence shorter than allowed is made longer, and the end is the end', (t) => {
  const { stream, keepAlive, pass } = scene(t, 1);
  pass(49);
  assert.equal(stream.spoken, 0);
  pass(51);
  assert.equal(stream.spoken, 1);
  keepAlive.close();
  pass(1000);
  assert.equal(stream.spoken, 1);
});
