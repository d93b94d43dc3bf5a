import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropEndlessTimeout, exceedsBounds, foreignAnswer } from '../../../src/flow/gate/request-headers.ts';

test('headers are counted as expanded, each field with its overhead', () => {
  const fields = (count: number, value: string) => Array.from({ length: count }, () => ['x', value]).flat();
  assert.equal(exceedsBounds(fields(4, 'v'.repeat(3900))), false);
  assert.equal(exceedsBounds(fields(5, 'v'.repeat(3900))), true);
  assert.equal(exceedsBounds(fields(64, 'v')), false);
  assert.equal(exceedsBounds(fields(65, '')), true);
});

test('only a POST of application/grpc is a call', () => {
  const status = (type: string | undefined, method = 'POST') =>
    foreignAnswer({ ':method': method, ...(type === undefined ? {} : { 'content-type': type }) })?.status;
  for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc;charset=utf-8']) {
    assert.equal(status(type), undefined);
  }
  for (const type of ['application/grpc-web', 'application/grpc-web+proto', 'application/json', undefined]) {
    assert.equal(status(type), 415);
  }
  assert.equal(status('application/grpc', 'GET'), 405);
});

test('a timeout longer than a timer can hold is no deadline', () => {
  const left = (timeout: string) => {
    const headers = { 'grpc-timeout': timeout };
    dropEndlessTimeout(headers);
    return headers['grpc-timeout'];
  };
  for (const timeout of ['597H', '99999999H', '35792M', '2147484S']) assert.equal(left(timeout), undefined);
  for (const timeout of ['596H', '35791M', '2147483S', '99999999m', '20u', 'x'])
    assert.equal(left(timeout), timeout);
});
