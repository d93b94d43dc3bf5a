/** What a target means, and whether bytes to it leave the machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTarget } from '../../../src/client/connection/target.ts';

const TARGETS: [text: string, address: string, isLocal: boolean][] = [
  ['localhost', 'localhost:50051', true],
  ['localhost:80', 'localhost:80', true],
  ['a.LOCALHOST:80', 'a.LOCALHOST:80', true],
  ['127.1.2.3:80', '127.1.2.3:80', true],
  ['[::1]:80', '[::1]:80', true],
  ['[::1]', '[::1]:50051', true],
  ['::1', '[::1]:50051', true],
  ['fe80::1', '[fe80::1]:50051', false],
  ['example.org', 'example.org:50051', false],
  ['example.org:80', 'example.org:80', false],
  ['127.0.0.1.example.org:80', '127.0.0.1.example.org:80', false],
  ['localhost.example.org:80', 'localhost.example.org:80', false],
  ['10.0.0.1:80', '10.0.0.1:80', false],
  ['unix:/run/a', 'unix:/run/a', true],
  ['unix:///run/a', 'unix:///run/a', true],
  ['dns:///localhost:80', 'dns:///localhost:80', true],
  ['dns:localhost:80', 'dns:localhost:80', true],
  ['dns://8.8.8.8/example.org:80', 'dns://8.8.8.8/example.org:80', false],
  ['ipv4:127.0.0.1:1,127.0.0.2:2', 'ipv4:127.0.0.1:1,127.0.0.2:2', true],
  ['ipv4:127.0.0.1:1,10.0.0.1:2', 'ipv4:127.0.0.1:1,10.0.0.1:2', false],
  ['ipv6:[::1]:1,[::1]:2', 'ipv6:[::1]:1,[::1]:2', true],
];

for (const [text, address, isLocal] of TARGETS) {
  test(`reads ${text} as ${address}, ${isLocal ? 'on' : 'not on'} this machine`, () => {
    const target = parseTarget(text);
    assert.equal(target.address, address);
    assert.equal(target.isLocal, isLocal);
  });
}

test('tells an address from a name, and several addresses from one', () => {
  const ips = ['10.0.0.1:80', '[::1]:80', '::1', 'ipv4:127.0.0.2:2'].map((text) => parseTarget(text).ip);
  assert.deepEqual(ips, ['10.0.0.1', '::1', '::1', '127.0.0.2']);
  for (const text of ['example.org:80', '127.0.0.1.example.org', 'unix:/a', 'ipv4:127.0.0.1:1,10.0.0.1:2']) {
    assert.equal(parseTarget(text).ip, undefined);
  }
});
