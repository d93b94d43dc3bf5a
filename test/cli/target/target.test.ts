import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCliTarget, writeCliTarget } from '../../../src/cli/target/target.ts';

test('server and name are split at the first slash', () => {
  for (const [text, server, name] of [
    ['host:1/a/b.bin', 'host:1', 'a/b.bin'],
    ['host/a', 'host', 'a'],
    ['host:1', 'host:1', ''],
    ['host:1/', 'host:1', ''],
    ['host:1/dir/', 'host:1', 'dir'],
    ['[::1]:1/a', '[::1]:1', 'a'],
    ['[::1]/a', '[::1]', 'a'],
    [':50051/a', 'localhost:50051', 'a'],
    ['h1:1,h2:2/a,b', 'h1:1,h2:2', 'a,b'],
    [':1,:2/a', 'localhost:1,localhost:2', 'a'],
    ['h1,[::1]:1,10.0.0.1/', 'h1,[::1]:1,10.0.0.1', ''],
    ['ipv4:10.0.0.1:1,10.0.0.2:1/a', 'ipv4:10.0.0.1:1,10.0.0.2:1', 'a'],
    ['dns:///host:1/a/b', 'dns:///host:1', 'a/b'],
    ['dns://8.8.8.8/host:1/a', 'dns://8.8.8.8/host:1', 'a'],
    ['unix:/run/s.sock:a/b', 'unix:/run/s.sock', 'a/b'],
    ['unix:/run/s.sock:/a/b', 'unix:/run/s.sock', 'a/b'],
    ['unix:/run/s.sock', 'unix:/run/s.sock', ''],
    ['unix:///run/s.sock:a', 'unix:/run/s.sock', 'a'],
  ] as const) {
    const { isDirectory: _, ...target } = parseCliTarget(text);
    assert.deepEqual(target, { server, name, transport: undefined }, text);
  }
});

test('a scheme says whether TLS is used', () => {
  for (const [text, transport] of [
    ['grpcs://host/a', 'tls'],
    ['grpc://host/a', 'plaintext'],
    ['sluice://host/a', undefined],
  ] as const) {
    assert.deepEqual(parseCliTarget(text), { server: 'host', name: 'a', isDirectory: false, transport });
  }
  const list = { server: 'h1,h2:1', name: 'a', isDirectory: false, transport: 'tls' };
  assert.deepEqual(parseCliTarget('grpcs://h1,h2:1/a'), list);
});

test('what ends with a slash, or names nothing, can only be a directory', () => {
  for (const text of ['host', 'host/', 'host/a/', 'unix:/run/s.sock', 'unix:/run/s.sock:a/', 'dns:///host']) {
    assert.equal(parseCliTarget(text).isDirectory, true, text);
  }
  for (const text of ['host/a', 'unix:/run/s.sock:a', 'dns:///host/a']) {
    assert.equal(parseCliTarget(text).isDirectory, false, text);
  }
});

test('names are literal', () => {
  assert.equal(parseCliTarget('host/a%20b?c#d').name, 'a%20b?c#d');
  assert.equal(parseCliTarget('host/a b:c').name, 'a b:c');
});

test('what is not a target is refused with the way to write it', () => {
  for (const [text, hint] of [
    ['http://host:1/a', /write grpc:\/\/host:1\/a/],
    ['https://host/a', /write grpcs:\/\/host\/a/],
    ['s3://bucket/a', /no scheme "s3"/],
    ['/srv/a', /"\/srv\/a" is not a target: the server is missing; write localhost:50051\/srv\/a$/],
    ['./a', /a local path/],
    ['h1:1,/a', /comma without a server/],
    [',h1:1/a', /comma without a server/],
    ['unix:', /path of the socket is missing/],
    ['dns://host:1', /dns:\/\/\/host:port\/name/],
    ['', /the server is missing/],
    ['host:/a', /"host:" is not a target; write host:port/],
    ['host:99999/a', /"host:99999" is not a target/],
  ] as const) {
    assert.throws(() => parseCliTarget(text), hint, text);
  }
});

test('a target is written as it is read', () => {
  const server = fc.oneof(
    fc.domain(),
    fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })).map(([host, port]) => `${host}:${port}`),
    fc.constant('unix:/run/s.sock'),
  );
  const name = fc.stringMatching(/^([a-z %?#:]{1,8}\/){0,3}[a-z %?#:]{1,8}$/);
  fc.assert(
    fc.property(server, name, (where, what) => {
      const target = { server: where, name: what, isDirectory: false, transport: undefined };
      assert.deepEqual(parseCliTarget(writeCliTarget(target)), target);
    }),
  );
});
