/**
 * One call of each method, as its bytes went over HTTP/2: recorded with a server
 * whose store has the same versions and times in each run.
 */
import { once } from 'node:events';
import type { ClientHttp2Stream } from 'node:http2';
import type { TestContext } from 'node:test';
import { crc32 } from '../../src/wire/crc32.ts';
import { methodOf } from '../support/peers/raw-client.ts';
import { framed, RawSession } from '../support/peers/raw-http2.ts';
import { KIB, startServer } from '../support/test-server.ts';
import { within } from '../support/until.ts';
import { framedText } from './wire-text.ts';

const UPLOAD = '0123456789abcdef0123456789abcdef';
const OTHER_UPLOAD = 'fedcba9876543210fedcba9876543210';
const ABORTED_UPLOAD = '00000000000000000000000000000001';
const DEFAULTS = { chunk: { size: 256 * KIB, maxSize: 512 * KIB }, slab: { size: 512 * KIB, count: 12 } };

/** The text of each call, by its name on the page. */
export async function recordedCalls(t: TestContext): Promise<Map<string, string>> {
  const server = await startServer(t, { writable: true, ...DEFAULTS }, { store: 'memory' });
  const session = new RawSession(t, server.port);
  const hello = Buffer.from('hello\n');
  server.memory?.put('a.txt', hello);
  const texts = new Map<string, string>();

  const record = async (
    name: string,
    method: string,
    talk: (call: RecordedCall) => Promise<void>,
  ): Promise<void> => {
    const call = new RecordedCall(method, session.open(method));
    await talk(call);
    texts.set(name, `${await call.ended()}\n`);
  };
  const plain = (name: string, method: string, ...requests: object[]) =>
    record(name, method, async (call) => {
      for (const request of requests) call.send(request);
      call.halfClose();
      await call.receiveAll();
    });

  await plain('size', 'GetFileSize', { fileName: 'a.txt' });
  await plain('stat', 'StatFile', { fileName: 'a.txt' });
  await plain('missing', 'StatFile', { fileName: 'b.txt' });
  await plain('stream', 'StreamFile', { fileName: 'a.txt', start: 1, ifMatch: 'v-1', wantChecksums: true });
  await plain('start', 'StartUpload', {
    fileName: 'd/up.txt',
    expected: { size: 6 },
    uploadId: UPLOAD,
  });
  await plain('upload', 'UploadFile', { uploadId: UPLOAD }, { chunk: hello, crc32: crc32(hello) });
  await plain('state', 'GetUploadStatus', { uploadId: UPLOAD, sync: true });
  await plain('finish', 'FinishUpload', { uploadId: UPLOAD, expected: { size: 6, crc32: crc32(hello) } });
  await plain(
    'at-once',
    'UploadFile',
    { start: { fileName: 'd/one.txt', uploadId: OTHER_UPLOAD, overwrite: 'OVERWRITE_ALWAYS' }, chunk: hello },
    { finish: true, expected: { size: 6, crc32: crc32(hello) } },
  );
  await plain('list', 'ListFiles', { prefix: 'd' });
  await plain('delete', 'DeleteFile', { fileName: 'd/one.txt', ifMatch: 'v-3' });
  await plain('directory', 'MakeDirectory', { fileName: 'd/new', mode: 0o755 });
  await server.memory?.start({
    name: 'd/no.txt',
    id: ABORTED_UPLOAD,
    condition: { kind: 'absent' },
    expected: {},
  });
  await plain('abort', 'AbortUpload', { uploadId: ABORTED_UPLOAD });
  await record('exchange', 'Exchange', async (call) => {
    await call.receive();
    const ask = async (request: object, answers: number) => {
      call.send(request);
      for (let i = 0; i < answers; i++) await call.receive();
    };
    await ask({ id: 1, stat: { fileName: 'a.txt' } }, 2);
    // The identity, and what the credit allows.
    await ask({ id: 2, credit: 4, read: { fileName: 'a.txt', wantChecksums: true } }, 2);
    // The rest, the summary and the end.
    await ask({ id: 2, credit: 4 }, 3);
    const files = [
      { fileName: 'a.txt', size: 6, version: 'v-1' },
      { fileName: 'b.txt', size: 2, version: 'v-0' },
    ];
    await ask({ id: 3, credit: 100, readPack: { files } }, 2);
    const written = [
      { fileName: 'e/1', size: 2 },
      { fileName: 'a.txt', size: 1 },
    ];
    await ask({ id: 4, write: { files: written, content: Buffer.from('hix') } }, 2);
    await ask({ id: 5, read: { fileName: 'a.txt' } }, 0);
    await ask({ id: 5, cancel: true }, 1);
    call.halfClose();
    await call.receiveAll();
  });
  return texts;
}

class RecordedCall {
  readonly #method: string;
  readonly #stream: ClientHttp2Stream;
  readonly #parts: string[] = [];
  readonly #received: AsyncIterator<Buffer>;
  readonly #closed: Promise<unknown>;
  readonly #trailers: Record<string, unknown> = {};
  #held = Buffer.alloc(0);

  constructor(method: string, stream: ClientHttp2Stream) {
    this.#method = method;
    this.#stream = stream;
    this.#closed = once(stream, 'close');
    stream.on('response', (headers) => {
      const id = headers['sluice-upload-id'];
      if (id !== undefined) this.#parts.push(`< sluice-upload-id: ${String(id)}\n`);
      // A call without an answer has its status here.
      Object.assign(this.#trailers, headers);
    });
    stream.on('trailers', (headers) => Object.assign(this.#trailers, headers));
    this.#received = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  send(message: object): void {
    const frame = framed(methodOf(this.#method).requestSerialize(message));
    this.#stream.write(frame);
    this.#add('>', frame, 'Request');
  }

  halfClose(): void {
    this.#stream.end();
    this.#parts.push('> half-close\n');
  }

  /** One message of the server; false at the end. */
  async receive(): Promise<boolean> {
    for (;;) {
      const bytes = this.#held.length < 5 ? 5 : 5 + this.#held.readUInt32BE(1);
      if (this.#held.length >= 5 && this.#held.length >= bytes) {
        this.#add('<', this.#held.subarray(0, bytes), 'Response');
        this.#held = this.#held.subarray(bytes);
        return true;
      }
      const more = await within('bytes', this.#received.next());
      if (more.done === true) return false;
      this.#held = Buffer.concat([this.#held, more.value]);
    }
  }

  async receiveAll(): Promise<void> {
    while (await this.receive());
  }

  /** The text of the call. */
  async ended(): Promise<string> {
    await within('the end of the call', this.#closed);
    const status = ['grpc-status', 'grpc-message', 'sluice-code', 'sluice-version']
      .filter((name) => this.#trailers[name] !== undefined)
      .map((name) => `< ${name}: ${decodeURIComponent(String(this.#trailers[name]))}`);
    return [...this.#parts, ...status].join('\n');
  }

  #add(direction: '<' | '>', frame: Buffer, kind: 'Request' | 'Response'): void {
    const name = `${this.#method}${kind}`;
    this.#parts.push(`${direction} ${name}\n${framedText(frame, name)}\n`);
  }
}
