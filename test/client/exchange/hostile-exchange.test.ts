/** Servers that break the contract: what they send is not taken for anything else, and costs a bounded amount. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TransferError } from '../../../src/base/errors.ts';
import type { StreamFileResponse } from '../../../src/wire/messages.ts';
import { failureOf, someFile } from '../fixtures.ts';
import type { Answer, Sending } from './exchange-server.ts';
import { scene } from './scene.ts';

const KIB = 1024;

type Change = (answer: Answer) => Answer | readonly Answer[];

function data(answer: Answer, fields: Partial<StreamFileResponse>): Answer {
  return { ...answer, data: { ...answer.data, ...fields } as StreamFileResponse };
}

function isChunk({ data }: Answer): boolean {
  return (data?.chunk?.byteLength ?? 0) > 0;
}

/** Spoils what `change` sees, once. */
function once(isIt: (answer: Answer) => boolean, change: Change): (answer: Answer) => Sending {
  let isDone = false;
  return (answer) => {
    if (isDone || !isIt(answer)) return { answers: [answer] };
    isDone = true;
    const changed = change(answer);
    return { answers: Array.isArray(changed) ? changed : [changed as Answer] };
  };
}

function withoutCrc(answer: Answer): Answer {
  const { crc32: _, ...rest } = answer.data as StreamFileResponse;
  return { ...answer, data: rest };
}

const isData = (answer: Answer) => isChunk(answer);
const isEnd = ({ end }: Answer) => end !== undefined;
const isSummary = ({ data }: Answer) => Boolean(data?.summary);
const isNamed = ({ data }: Answer) => Boolean(data?.file);

/** What is wrong once, and then right: the read gets on, with the right bytes. */
const ONCE: readonly (readonly [string, (answer: Answer) => Sending])[] = [
  ['data for an id that never was', once(isData, (answer) => [{ ...answer, id: 999_999 }, answer])],
  [
    'data behind the end',
    once(isEnd, (answer) => [answer, data({ id: answer.id as number }, { chunk: Buffer.of(1) })]),
  ],
  ['two ends', once(isEnd, (answer) => [answer, answer])],
  ['a wrong CRC-32', once(isData, (answer) => data(answer, { crc32: 1 }))],
  ['no CRC-32', once(isData, withoutCrc)],
  ['a wrong offset', once(isData, (answer) => data(answer, { offset: 5 }))],
  ['a chunk twice', once(isData, (answer) => [answer, answer])],
  ['a negative size', once(isData, (answer) => data(answer, { rawSize: -1 }))],
  ['a size beyond any', once(isData, (answer) => data(answer, { rawSize: 2 ** 31 - 1 }))],
  ['an unknown codec', once(isData, (answer) => data(answer, { compressed: true, codec: 77 }))],
  [
    'a chunk that is no gzip',
    once(isData, (answer) => data(answer, { compressed: true, codec: 'CODEC_GZIP' })),
  ],
  ['chunks before the file is named', once(isNamed, () => [])],
  ['a file named twice', once(isNamed, (answer) => [answer, answer])],
  [
    'an answer of another kind',
    once(isData, ({ id = 0 }) => ({
      id,
      info: { name: 'x', size: 1, version: '', modifiedMs: 0, contentType: '' },
    })),
  ],
  ['an empty answer', once(isData, ({ id = 0 }) => ({ id }))],
  ['no summary', once(isSummary, () => [])],
  [
    'limits twice',
    once(isData, (answer) => [
      {
        id: 0,
        limits: {
          maxRequests: 9,
          maxCredit: 9,
          maxPackFiles: 1,
          maxPackSize: 1,
          acceptedCodecs: [],
          takesPings: false,
        },
      },
      answer,
    ]),
  ],
  [
    'no limits',
    once(
      ({ limits }) => limits !== undefined,
      () => [],
    ),
  ],
  [
    'limits of nothing',
    once(
      ({ limits }) => limits !== undefined,
      (answer) => ({
        ...answer,
        limits: {
          maxRequests: 0,
          maxCredit: 0,
          maxPackFiles: 0,
          maxPackSize: 0,
          acceptedCodecs: [],
          takesPings: false,
        },
      }),
    ),
  ],
  ['an end that comes early', once(isData, ({ id = 0 }) => ({ id, end: { failure: null } }))],
  [
    'a failure that may pass',
    once(isData, ({ id = 0 }) => ({
      id,
      end: { failure: { code: 10, message: '', sluiceCode: '', version: '' } },
    })),
  ],
];

for (const [what, onSend] of ONCE) {
  test(`a read survives ${what}`, async (t) => {
    const file = someFile('v1', 100 * KIB);
    const { server, session } = await scene(t, { file });
    server.onSend = (_stream, answer) => onSend(answer);

    const bytes = await session.read('file').buffer();

    assert.equal(Buffer.compare(bytes, file.content), 0);
  });
}

test('more data than there is credit for is a broken contract, each time', async (t) => {
  const file = someFile('v1', 2048 * KIB);
  const { server, session } = await scene(t, { file }, { retry: { attempts: 3 } });
  server.onSend = (_stream, answer) => {
    if (!isChunk(answer)) return { answers: [answer] };
    const offset = answer.data?.offset ?? 0;
    const chunk = file.content.subarray(offset, offset + 1500 * KIB);
    return { answers: [data(answer, { chunk, rawSize: chunk.byteLength })] };
  };

  const failure = await failureOf(session.read('file').buffer());

  assert.equal(failure.code, 'PROTOCOL_ERROR');
  assert.match(failure.message, /credit/);
  assert.equal(server.asked('read').length, 3);
});

test('a wrong summary is an error behind the last chunk', async (t) => {
  const { server, session } = await scene(t, { file: someFile() });
  server.onSend = (_stream, answer) => ({
    answers: isSummary(answer) ? [data(answer, { summary: { offset: 0, size: 1, crc32: 2 } })] : [answer],
  });

  let bytes = 0;
  const reading = async () => {
    for await (const chunk of session.read('file')) bytes += chunk.byteLength;
  };

  await assert.rejects(reading(), { code: 'CHECKSUM_MISMATCH' });
  assert.equal(bytes, server.files.get('file')?.content.byteLength);
});

test('a request that fails for good says why, and the others go on', async (t) => {
  const { server, session } = await scene(t, { file: someFile() });
  const failure = { code: 7, message: 'not for you', sluiceCode: 'PERMISSION_DENIED', version: '' };
  server.onSend = (_stream, answer) =>
    answer.info ? { answers: [{ id: answer.id as number, end: { failure } }] } : { answers: [answer] };

  const reading = session.read('file').buffer();
  const refused = await failureOf(session.stat('file'));

  assert.equal(refused.code, 'PERMISSION_DENIED');
  assert.equal(refused.message, 'not for you');
  assert.ok((await reading).byteLength > 0);
  assert.equal((await failureOf(session.stat('none'))).code, 'NOT_FOUND');
});

test('an end without the answer that was asked for is a broken contract', async (t) => {
  const { server, session } = await scene(t, { file: someFile() }, { retry: { attempts: 2 } });
  server.onSend = (_stream, answer) => ({ answers: answer.info || answer.written ? [] : [answer] });

  assert.equal((await failureOf(session.stat('file'))).code, 'PROTOCOL_ERROR');
  assert.equal((await failureOf(session.write('new', Buffer.from('x')))).code, 'PROTOCOL_ERROR');
});

test('results for other files than were written are a broken contract', async (t) => {
  const { server, session } = await scene(t, {}, { retry: { attempts: 1 } });
  server.onSend = (_stream, answer) => ({
    answers: answer.written ? [{ ...answer, written: { results: [] } }] : [answer],
  });

  assert.equal((await failureOf(session.write('new', Buffer.from('x')))).code, 'PROTOCOL_ERROR');
});

test('a listing larger than any batch is refused before it is decoded', async (t) => {
  const { server, session } = await scene(t, {}, { retry: { attempts: 1 } });
  server.names = ['a'];
  const omitted = Array.from({ length: 300_000 }, () => ({
    shownName: 'some-name',
    reason: 'OMISSION_BAD_NAME' as const,
  }));
  server.onSend = (_stream, answer) => ({
    answers: answer.entries ? [{ ...answer, entries: { ...answer.entries, omitted } }] : [answer],
  });

  const listing = async () => {
    for await (const _ of session.list()) assert.fail();
  };

  await assert.rejects(listing(), { code: 'PROTOCOL_ERROR', message: /are the most/ });
});

test('a server that falls silent is left, and asked again', async (t) => {
  const file = someFile('v1', 100 * KIB);
  const { server, session } = await scene(t, { file }, { stallTimeoutMs: 200 });
  server.onSend = (stream, answer) => ({
    answers: stream === server.streams[0] && !answer.limits ? [] : [answer],
  });

  assert.equal(Buffer.compare(await session.read('file').buffer(), file.content), 0);
});

test('an error of the stream that will not pass fails what is open, and not what follows', async (t) => {
  const { server, session } = await scene(t, { file: someFile() });
  server.onSend = (stream, answer) =>
    stream === server.streams[0] && !answer.limits
      ? { answers: [], loss: new TransferError('INVALID_ARGUMENT', 'an id that does not grow') }
      : { answers: [answer] };

  assert.equal((await failureOf(session.stat('file'))).code, 'INVALID_ARGUMENT');
  assert.equal((await session.stat('file')).version, 'v1');
});
