import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isLoopback, parseListenAddress, writeListenAddress } from '../../src/config/listen-address.ts';

test('host and port, IPv6 in brackets, a port alone and Unix sockets are addresses', () => {
  assert.deepEqual(parseListenAddress('127.0.0.1:50051'), { kind: 'tcp', host: '127.0.0.1', port: 50051 });
  assert.deepEqual(parseListenAddress('files.example.org:0'), {
    kind: 'tcp',
    host: 'files.example.org',
    port: 0,
  });
  assert.deepEqual(parseListenAddress('[fe80::1]:80'), { kind: 'tcp', host: 'fe80::1', port: 80 });
  assert.deepEqual(parseListenAddress(':50051'), { kind: 'tcp', host: '', port: 50051 });
  assert.deepEqual(parseListenAddress('unix:/run/s.sock'), { kind: 'unix', path: '/run/s.sock' });
});

test('what is not an address is refused with the way to write it', () => {
  for (const [text, hint] of [
    ['50051', /write :50051 for all addresses/],
    ['localhost', /the port is missing: localhost:50051/],
    ['::1', /in brackets: \[::1\]:50051/],
    ['[nonsense]:1', /in brackets stands an IPv6 address/],
    ['host:99999', /ports end at 65535/],
    ['host:http', /the port is a number/],
    ['grpc://host:1', /leave the scheme out/],
    ['1.2.3:50051', /not a host name/],
    ['a b:50051', /not a host name/],
    ['unix:', /the path of the socket is missing/],
    [`unix:/${'x'.repeat(107)}`, /108 bytes and the system takes 107/],
    ['', /host:port, \[ipv6\]:port, :port or unix:\/path/],
  ] as const) {
    assert.throws(() => parseListenAddress(text), { code: 'INVALID_CONFIG', message: hint }, text);
  }
});

test('only loopback addresses and Unix sockets are loopback', () => {
  for (const [text, expected] of [
    ['127.0.0.1:1', true],
    ['127.255.0.3:1', true],
    ['[::1]:1', true],
    ['localhost:1', true],
    ['unix:x', true],
    [':1', false],
    ['0.0.0.0:1', false],
    ['[::]:1', false],
    ['127.0.0.1.example.org:1', false],
    ['localhost.example.org:1', false],
  ] as const) {
    assert.equal(isLoopback(parseListenAddress(text)), expected, text);
  }
});

test('an address is written as it is read', () => {
  const host = fc.oneof(
    fc.ipV4(),
    fc.domain(),
    fc.constant(''),
    fc.ipV6().map((v6) => `[${v6}]`),
  );
  fc.assert(
    fc.property(host, fc.integer({ min: 0, max: 65_535 }), (name, port) => {
      const text = `${name}:${port}`;
      assert.equal(writeListenAddress(parseListenAddress(text)), text);
    }),
  );
});
