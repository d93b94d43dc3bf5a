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

test('tells an address from a name', () => {
  const ips = ['10.0.0.1:80', '[::1]:80', '::1', 'ipv4:127.0.0.2:2'].map(
    (text) => parseTarget(text).servers[0]?.ip,
  );
  assert.deepEqual(ips, ['10.0.0.1', '::1', '::1', '127.0.0.2']);
  for (const text of ['example.org:80', '127.0.0.1.example.org', 'unix:/a']) {
    assert.equal(parseTarget(text).servers[0]?.ip, undefined);
  }
});

test('reads a list as several servers, each by its own rules and none twice', () => {
  for (const [given, addresses] of [
    ['a:1,b', ['a:1', 'b:50051']],
    ['a,[::1]:1,10.0.0.1', ['a:50051', '[::1]:1', '10.0.0.1:50051']],
    ['a,a:50051', ['a:50051']],
    ['ipv4:10.0.0.1:1,10.0.0.2:2', ['ipv4:10.0.0.1:1', 'ipv4:10.0.0.2:2']],
    [
      ['a:1', 'b:2'],
      ['a:1', 'b:2'],
    ],
    [
      ['a:1,b:2', 'dns:///c:3'],
      ['a:1', 'b:2', 'dns:///c:3'],
    ],
    [
      ['unix:/run/a,b', 'c:1'],
      ['unix:/run/a,b', 'c:1'],
    ],
  ] as [string | string[], string[]][]) {
    assert.deepEqual(
      parseTarget(given).servers.map(({ address }) => address),
      addresses,
    );
  }
});

test('a list is on this machine only where all its servers are', () => {
  assert.equal(parseTarget('localhost:1,127.0.0.1:2,unix:/a').isLocal, true);
  assert.equal(parseTarget('localhost:1,example.org:2').isLocal, false);
});

test('refuses a list with what is no server, and names that', () => {
  for (const [given, message] of [
    ['a:1,', /comma without a server/],
    ['a:1,,b', /comma without a server/],
    ['a:1,b:99999', /"b:99999" is not a target/],
    ['a, b', /" b" is not a target/],
    [[], /the list of servers is empty/],
    [['a', ''], /"" is not a target/],
  ] as [string | string[], RegExp][]) {
    assert.throws(() => parseTarget(given), message);
  }
});
