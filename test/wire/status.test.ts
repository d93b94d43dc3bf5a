import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { ERROR_CODES, type ErrorCode, TransferError } from '../../src/base/errors.ts';
import { errorOfFailure, errorOfStatus, failureOf, statusOf } from '../../src/wire/status.ts';

const ALL_CODES = Object.keys(ERROR_CODES) as ErrorCode[];

/** What grpc-js gives a client for a status with or without its trailers. */
function received(error: TransferError, trailers = true): ServiceError {
  const { code, details, metadata } = statusOf(error);
  return Object.assign(new Error(`${code} ${status[code]}: ${details}`), {
    code,
    details,
    metadata: trailers ? metadata : new Metadata(),
  });
}

describe('an error code', () => {
  for (const code of ALL_CODES) {
    it(`${code} comes back by its trailer`, () => {
      const back = errorOfStatus(received(new TransferError(code, 'why')));
      assert.equal(back.code, code);
    });
  }

  it('comes back as the failure of a part of a call, with text and version', () => {
    for (const code of ALL_CODES) {
      const back = errorOfFailure(failureOf(new TransferError(code, 'why', { version: 'v' })));
      assert.deepEqual([back.code, back.version], [code, 'v']);
      if (code !== 'INTERNAL') assert.equal(back.message, 'why');
    }
  });

  it('is concluded from the status of a failure that says no more', () => {
    const back = errorOfFailure({ code: status.NOT_FOUND, message: '', sluiceCode: '', version: '' });
    assert.equal(back.code, 'NOT_FOUND');
    assert.match(back.message, /NOT_FOUND and without a reason/);
    assert.equal(back.version, undefined);
  });

  const byStatus: [ErrorCode, ErrorCode][] = [
    ['INVALID_ARGUMENT', 'INVALID_ARGUMENT'],
    ['INVALID_NAME', 'INVALID_ARGUMENT'],
    ['NOT_FOUND', 'NOT_FOUND'],
    ['OUT_OF_RANGE', 'OUT_OF_RANGE'],
    ['VERSION_MISMATCH', 'VERSION_MISMATCH'],
    ['FILE_CHANGED', 'ABORTED'],
    ['STALLED', 'ABORTED'],
    ['RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED'],
    ['PERMISSION_DENIED', 'PERMISSION_DENIED'],
    ['UNAUTHENTICATED', 'UNAUTHENTICATED'],
    ['UNAVAILABLE', 'UNAVAILABLE'],
    ['CANCELLED', 'CANCELLED'],
    ['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED'],
    ['DATA_LOSS', 'DATA_LOSS'],
    ['CHECKSUM_MISMATCH', 'DATA_LOSS'],
    ['UNIMPLEMENTED', 'UNIMPLEMENTED'],
    ['INTERNAL', 'INTERNAL'],
  ];
  for (const [sent, understood] of byStatus) {
    it(`${sent} is understood as ${understood} without its trailer`, () => {
      assert.equal(errorOfStatus(received(new TransferError(sent, 'why'), false)).code, understood);
    });
  }

  it('that this version does not know falls back to the status', () => {
    const failure = received(new TransferError('NOT_FOUND', 'why'));
    failure.metadata.set('sluice-code', 'SOMETHING_NEW');
    assert.equal(errorOfStatus(failure).code, 'NOT_FOUND');
  });

  it('is not taken from the names of inherited properties', () => {
    const failure = received(new TransferError('NOT_FOUND', 'why'));
    failure.metadata.set('sluice-code', 'constructor');
    assert.equal(errorOfStatus(failure).code, 'NOT_FOUND');
  });

  it('is not longer than a text or a version of ours, whatever the peer sends', () => {
    const failure = received(new TransferError('NOT_FOUND', 'why', { version: 'v'.repeat(1_000_000) }));
    failure.details = 'x'.repeat(1_000_000);
    const { message, version } = errorOfStatus(failure);
    assert.equal(message.length, 1024);
    assert.equal(version, undefined);
  });

  it('is INTERNAL for a failure without metadata and with a status of its own', () => {
    const bare = Object.assign(new Error('odd'), { code: status.UNKNOWN, details: '' }) as ServiceError;
    const error = errorOfStatus(bare);
    assert.equal(error.code, 'INTERNAL');
    assert.equal(error.message, 'the server ended the call with status UNKNOWN and without a reason');
  });
});

describe('a status', () => {
  const contract: [ErrorCode, status][] = [
    ['INVALID_NAME', status.INVALID_ARGUMENT],
    ['NOT_FOUND', status.NOT_FOUND],
    ['OUT_OF_RANGE', status.OUT_OF_RANGE],
    ['VERSION_MISMATCH', status.FAILED_PRECONDITION],
    ['NOT_A_FILE', status.FAILED_PRECONDITION],
    ['FILE_CHANGED', status.ABORTED],
    ['STALLED', status.ABORTED],
    ['RESOURCE_EXHAUSTED', status.RESOURCE_EXHAUSTED],
    ['PERMISSION_DENIED', status.PERMISSION_DENIED],
    ['UNAVAILABLE', status.UNAVAILABLE],
    ['DATA_LOSS', status.DATA_LOSS],
  ];
  for (const [code, expected] of contract) {
    it(`of ${code} is ${status[expected]}, as the contract says`, () => {
      assert.equal(statusOf(new TransferError(code, 'why')).code, expected);
    });
  }

  it('is never OK and never UNKNOWN', () => {
    for (const code of ALL_CODES) {
      const sent = statusOf(new TransferError(code, 'why')).code;
      assert.ok(sent !== status.OK && sent !== status.UNKNOWN, code);
    }
  });

  it('carries the present version of the file to the client', () => {
    const back = errorOfStatus(received(new TransferError('FILE_CHANGED', 'why', { version: 'v-2' })));
    assert.equal(back.version, 'v-2');
  });

  it('carries no version where none is known', () => {
    assert.equal(errorOfStatus(received(new TransferError('FILE_CHANGED', 'why'))).version, undefined);
  });

  it('carries the message to the client', () => {
    const back = errorOfStatus(received(new TransferError('NOT_FOUND', 'no file "a/b"; list the directory')));
    assert.equal(back.message, 'no file "a/b"; list the directory');
  });

  it('has well-formed, bounded details for any message of any code', () => {
    const anyText = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 3000 }),
      fc
        .array(fc.integer({ min: 0xd700, max: 0xe000 }), { maxLength: 2000 })
        .map((units) => String.fromCharCode(...units)),
    );
    fc.assert(
      fc.property(fc.constantFrom(...ALL_CODES), anyText, (code, message) => {
        const { details } = statusOf(new TransferError(code, message));
        assert.ok(details.isWellFormed());
        assert.ok(details.length <= 1024);
        // What grpc-js does with it, and where a lone surrogate throws.
        encodeURI(details);
      }),
      {
        examples: [
          ['NOT_FOUND', 'a\ud800'],
          ['NOT_FOUND', `${'a'.repeat(1023)}🪣`],
        ],
      },
    );
  });

  it('tells nothing of a defect but that there was one', () => {
    const cause = new Error('ENOENT: /srv/secret');
    const sent = statusOf(new TransferError('INTERNAL', 'cannot open /srv/secret/a', { cause }));
    assert.doesNotMatch(sent.details, /secret/);
    assert.doesNotMatch(JSON.stringify(sent.metadata.getMap()), /secret/);
    assert.match(sent.details, /server log/);
  });

  it('never carries the cause', () => {
    const cause = new Error('EACCES: /srv/secret');
    const sent = statusOf(new TransferError('PERMISSION_DENIED', 'the server may not read it', { cause }));
    assert.doesNotMatch(JSON.stringify([sent.details, sent.metadata.getMap()]), /secret/);
  });
});
