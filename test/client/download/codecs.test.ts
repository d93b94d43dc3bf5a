/** What the client says it decompresses, and what it does with anything else. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CodecName } from '../../../src/base/coding.ts';
import { codecInContract, encodeSync, RUNTIME_CODECS } from '../../../src/wire/codec.ts';
import { clientOf, collect, failureOf, scratchDirectory, someFile, startServer } from '../fixtures.ts';
import type { Message } from './honest-messages.ts';

/** Compresses every chunk with a codec and says so. */
function compressing(codec: CodecName): (honest: Iterable<Message>) => Iterable<Message> {
  return function* (honest) {
    for (const message of honest) {
      if (message.chunk === undefined) yield message;
      else
        yield {
          ...message,
          chunk: encodeSync(message.chunk, { codec, level: 1 }),
          compressed: true,
          codec: codecInContract(codec),
        };
    }
  };
}

function saying(
  codec: Message['codec'],
  compressed = true,
): (honest: Iterable<Message>) => Iterable<Message> {
  return function* (honest) {
    for (const message of honest)
      yield message.chunk === undefined || codec === undefined ? message : { ...message, compressed, codec };
  };
}

test('asks for the codecs of this runtime', async (t) => {
  const server = await startServer(t, { a: someFile() });
  await collect(clientOf(t, server).stream('a'));
  const named = server.requests[0]?.acceptedCodecs;
  assert.deepEqual(named, RUNTIME_CODECS.map(codecInContract));
});

for (const codec of RUNTIME_CODECS) {
  test(`takes chunks of ${codec} and tells how many`, async (t) => {
    const file = someFile();
    const server = await startServer(t, { a: file });
    server.defaultScript = { messages: compressing(codec) };
    const path = join(await scratchDirectory(t), 'a');
    const result = await clientOf(t, server).download('a', path);
    assert.ok(file.content.equals(await readFile(path)));
    assert.equal(result.bytesByCodec[codec], file.content.length);
    assert.equal(result.bytesByCodec.identity, 0);
    assert.ok(result.wireBytes > 0);
  });
}

const LIES: readonly [string, Message['codec'], boolean][] = [
  ['a codec nobody knows', 99, true],
  ['a codec that is not what the bytes are', 'CODEC_BROTLI', true],
  ...(RUNTIME_CODECS.includes('zstd')
    ? []
    : [['zstd, which was not accepted', 'CODEC_ZSTD', true] as [string, Message['codec'], boolean]]),
];

for (const [what, codec, compressed] of LIES) {
  test(`refuses a chunk of ${what}`, async (t) => {
    const server = await startServer(t, { a: someFile() });
    server.defaultScript = { messages: saying(codec, compressed) };
    const client = clientOf(t, server, { retry: { attempts: 1 } });
    assert.equal((await failureOf(collect(client.stream('a')))).code, 'PROTOCOL_ERROR');
  });
}

test('refuses a compressed chunk when it asked for none', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.defaultScript = { messages: compressing('gzip') };
  const client = clientOf(t, server, { compression: 'never', retry: { attempts: 1 } });
  assert.equal((await failureOf(collect(client.stream('a')))).code, 'PROTOCOL_ERROR');
});

test('takes nothing but gzip from a server that sends no sizes', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.isPlain = true;
  server.defaultScript = { messages: compressing('brotli') };
  const client = clientOf(t, server, { retry: { attempts: 1 } });
  assert.equal((await failureOf(collect(client.stream('a')))).code, 'PROTOCOL_ERROR');
});
