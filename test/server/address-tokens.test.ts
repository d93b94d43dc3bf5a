import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressTokens, type ConnectionTokens } from '../../src/server/address-tokens.ts';

function spend(tokens: ConnectionTokens, nowMs: number, isFault = false): number {
  let count = 0;
  while (count < 100_000 && tokens.take(nowMs, isFault) === 'paid') count += 1;
  return count;
}

test('a connection may waste all its streams at once, and not much more', () => {
  const tokens = new AddressTokens(128).ofConnection('192.0.2.1', 0);
  const spent = spend(tokens, 0);
  assert(spent >= 128 && spent <= 1024, `${spent}`);
  assert.equal(tokens.take(0, false), 'connection');
});

test('requests at fault cost a connection and its address more than streams that were cancelled', () => {
  const addresses = new AddressTokens(128);
  const faults = spend(addresses.ofConnection('192.0.2.1', 0), 0, true);
  assert(faults >= 32 && faults <= 64, `${faults}`);
  let all = faults;
  while (!addresses.isBanned('192.0.2.1', 0)) all += spend(addresses.ofConnection('192.0.2.1', 0), 0, true);
  assert(all <= 512, `${all}`);
  // A second later there are some more, but no second flood.
  let next = 0;
  do next += spend(addresses.ofConnection('192.0.2.1', 1001), 1001, true);
  while (!addresses.isBanned('192.0.2.1', 1001));
  assert(next > 0 && next <= 33, `${next}`);
});

test('many connections of an address share its tokens; without any it is refused for a second, others are not', () => {
  const addresses = new AddressTokens(128);
  let spent = 0;
  let connections = 0;
  while (!addresses.isBanned('192.0.2.1', 0) && connections < 1000) {
    spent += spend(addresses.ofConnection('192.0.2.1', 0), 0);
    connections += 1;
  }
  assert(connections > 1 && connections < 20, `${connections}`);
  assert(spent <= 8192, `${spent}`);
  assert.equal(addresses.isBanned('192.0.2.2', 0), false);
  assert.equal(addresses.isBanned('192.0.2.1', 999), true);
  assert.equal(addresses.isBanned('192.0.2.1', 1001), false);
});

test('clients behind one trusted address pay for themselves alone', () => {
  const addresses = new AddressTokens(128);
  for (let i = 0; i < 100; i++) assert(spend(addresses.ofConnection(null, 0), 0) > 0);
});

test('an address without tokens is remembered among thousands of others', () => {
  const addresses = new AddressTokens(128);
  while (!addresses.isBanned('192.0.2.1', 0)) spend(addresses.ofConnection('192.0.2.1', 0), 0, true);
  for (let i = 0; i < 30_000; i++) addresses.ofConnection(`2001:db8:${i.toString(16)}::/64`, 0).take(0, true);
  assert.equal(addresses.isBanned('192.0.2.1', 999), true);
  assert(spend(addresses.ofConnection('192.0.2.1', 1001), 1001, true) <= 33);
});
