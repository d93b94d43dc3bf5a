import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import { constants } from 'node:os';
import { describe, it } from 'node:test';
import { errnoOf, TransferError } from '../../src/base/errors.ts';

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (reason) {
    return reason;
  }
  throw new Error('nothing was thrown');
}

describe('TransferError.from', () => {
  it('keeps an error that is typed already', () => {
    const error = new TransferError('NOT_FOUND', 'no such file');
    assert.equal(TransferError.from(error), error);
  });

  it('makes the abort of a signal CANCELLED', () => {
    const reason = thrownBy(() => AbortSignal.abort().throwIfAborted());
    const error = TransferError.from(reason);
    assert.equal(error.code, 'CANCELLED');
    assert.equal(error.cause, reason);
  });

  it("makes a signal's timeout DEADLINE_EXCEEDED", () => {
    const reason = new DOMException('over', 'TimeoutError');
    const error = TransferError.from(reason);
    assert.equal(error.code, 'DEADLINE_EXCEEDED');
    assert.equal(error.cause, reason);
  });

  it('makes any other error INTERNAL and keeps it as the cause', () => {
    const reason = new TypeError('x is not a function');
    const error = TransferError.from(reason);
    assert.equal(error.code, 'INTERNAL');
    assert.equal(error.message, 'x is not a function');
    assert.equal(error.cause, reason);
  });

  for (const reason of ['text', 7, null, undefined]) {
    it(`makes a thrown ${JSON.stringify(reason) ?? 'undefined'} INTERNAL`, () => {
      const error = TransferError.from(reason);
      assert.equal(error.code, 'INTERNAL');
      assert.equal(error.message, String(reason));
    });
  }
});

describe('a TransferError', () => {
  it('carries code, message and version', () => {
    const error = new TransferError('FILE_CHANGED', 'the file changed', { version: 'v2' });
    assert.deepEqual(
      { name: error.name, code: error.code, message: error.message, version: error.version },
      { name: 'TransferError', code: 'FILE_CHANGED', message: 'the file changed', version: 'v2' },
    );
  });

  it('has no cause and no version unless given', () => {
    const error = new TransferError('NOT_FOUND', 'no such file');
    assert.ok(!('cause' in error));
    assert.equal(error.version, undefined);
  });
});

describe('errnoOf', () => {
  it('names the errno of a system error', () => {
    assert.equal(errnoOf(thrownBy(() => openSync('/nowhere/at/all', 'r'))), 'ENOENT');
  });

  // What Node makes of an errno that libuv has no name for, in asynchronous and in synchronous calls.
  const unnamed = (errno: number, code = `Unknown system error -${errno}`) =>
    Object.assign(new Error(), { errno: -errno, code });

  it('knows a quota that is used up, which libuv does not', () => {
    const { EDQUOT } = constants.errno;
    assert.equal(errnoOf(unnamed(EDQUOT)), 'EDQUOT');
    assert.equal(errnoOf(unnamed(EDQUOT, 'UNKNOWN')), 'EDQUOT');
  });

  it('numbers what nobody has a name for', () => {
    assert.equal(errnoOf(unnamed(9999)), 'E9999');
  });

  it('is undefined for everything else', () => {
    for (const reason of [new Error('x'), { code: 2 }, 'ENOENT', null, undefined]) {
      assert.equal(errnoOf(reason), undefined);
    }
  });
});
