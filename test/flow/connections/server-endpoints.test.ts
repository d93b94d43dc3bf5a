/** Which addresses of a name are one server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serversAt } from '../../../src/flow/connections/server-endpoints.ts';

const BESIDE = { signal: new AbortController().signal, tlsName: undefined };

function hostsOf(...hosts: string[]): string[][] {
  const endpoints = hosts.map((host) => ({ addresses: [{ host, port: 1 }] }));
  return serversAt(endpoints, BESIDE).map(({ addresses }) =>
    addresses.map((address) => ('host' in address ? address.host : '')),
  );
}

test('an address of each family is one server, and several of a family are several', () => {
  assert.deepEqual(hostsOf('10.0.0.1'), [['10.0.0.1']]);
  assert.deepEqual(hostsOf('::1', '127.0.0.1'), [['::1', '127.0.0.1']]);
  assert.deepEqual(hostsOf('10.0.0.1', '10.0.0.2'), [['10.0.0.1'], ['10.0.0.2']]);
  assert.deepEqual(hostsOf('10.0.0.1', '::1', '::2'), [['10.0.0.1'], ['::1'], ['::2']]);
  assert.deepEqual(hostsOf(), []);
});
