/**
 * One upload over the wire beside a model of it in memory: what was sent, what
 * was acknowledged, whether it is finished or gone. Each step is checked against
 * the model; what ends in an error may have had its effect or not, and then the
 * server is asked which.
 */
import assert from 'node:assert/strict';
import { crc32, gzipSync } from 'node:zlib';
import type { ClientWritableStream } from '@grpc/grpc-js';
import { assertBytes, type Content } from './content.ts';
import type { Answered, RawClient } from './peers/raw-client.ts';
import { uploadStatus } from './peers/raw-upload.ts';
import { within } from './until.ts';

/** Where a chunk goes: seen from the end of its stream's last one, or as a share of the file. */
export type Place = 'next' | 'again' | 'overlap' | 'gap' | { readonly share: number };

export type UnaryKind = 'finish' | 'finish wrongly' | 'abort' | 'status' | 'sync' | 'delete';

export type Step =
  | { kind: 'start'; isSizeKnown: boolean; replaces: boolean }
  | { kind: 'chunk'; slot: number; place: Place; bytes: number; isGzip: boolean; isCorrupt: boolean }
  | { kind: 'half-close' | 'cancel'; slot: number }
  | { kind: 'ask'; at: readonly UnaryKind[] }
  | { kind: 'crash'; during: readonly UnaryKind[] };

/** The server, which a step may kill. */
export interface Crashing {
  client(): RawClient;
  /** What is stored under the name; undefined where nothing is. */
  read(name: string): Buffer | undefined;
  crash(): Promise<void>;
}

interface OpenStream {
  readonly call: ClientWritableStream<object>;
  readonly ended: Promise<Answered>;
  readonly sent: { start: number; end: number }[];
  next: number;
}

/** Everything else would be a defect, or a status that no document names here. */
const CODES_OF_STREAMS = new Set([
  '',
  'GAP',
  'TAKEN_OVER',
  'CHECKSUM_MISMATCH',
  'UPLOAD_NOT_FOUND',
  'INVALID_ARGUMENT',
]);

export class ModelledUpload {
  readonly #server: Crashing;
  readonly #name: string;
  readonly #content: Content;
  readonly #streams = new Map<number, OpenStream>();
  #uploadId = '';
  #state: 'none' | 'open' | 'finished' | 'gone' = 'none';
  /** What the first finish answered. */
  #file: unknown;
  #isVisible = false;
  #acknowledged = 0;
  /** 1 for each byte that was sent as it is. */
  #sent: Uint8Array;

  constructor(server: Crashing, name: string, content: Content) {
    this.#server = server;
    this.#name = name;
    this.#content = content;
    this.#sent = new Uint8Array(content.size);
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case 'start':
        await this.#start(step.isSizeKnown, step.replaces);
        break;
      case 'chunk':
        this.#send(step);
        break;
      case 'half-close':
        await this.#halfClose(step.slot);
        break;
      case 'cancel':
        await this.#cancel(step.slot);
        break;
      case 'ask':
        await this.#ask(step.at);
        break;
      case 'crash':
        await this.#crash(step.during);
        break;
    }
    this.#look();
  }

  /** Whatever has happened: what is missing can be sent, and the file then be finished. */
  async complete(): Promise<void> {
    for (const slot of this.#streams.keys()) await this.#cancel(slot);
    if (this.#state !== 'open') return;
    const status = await this.#status(true);
    const call = this.#openStream();
    let at = status.committedSize;
    for (; at < this.#content.size; at += 65_536)
      this.#write(call, at, Math.min(this.#content.size, at + 65_536));
    call.call.end();
    const sent = await within('the last stream ends', call.ended);
    assert.equal(sent.status, 'OK', sent.details);
    await this.#ask(['finish']);
    assert.equal(this.#state, 'finished', 'what is whole can be finished');
    this.#look();
  }

  async #start(isSizeKnown: boolean, replaces: boolean): Promise<void> {
    if (this.#state === 'open') return;
    for (const slot of this.#streams.keys()) await this.#cancel(slot);
    const { status, answer, details } = await this.#client.unary('StartUpload', {
      fileName: this.#name,
      expected: isSizeKnown ? { size: this.#content.size } : {},
      overwrite: replaces ? 'OVERWRITE_ALWAYS' : 'OVERWRITE_NEVER',
    });
    if (this.#isVisible && !replaces) {
      assert.equal(status, 'ALREADY_EXISTS');
      return;
    }
    assert.equal(status, 'OK', details);
    this.#uploadId = String(answer?.uploadId);
    this.#state = 'open';
    this.#acknowledged = 0;
    this.#file = undefined;
    this.#sent = new Uint8Array(this.#content.size);
  }

  #send({ slot, place, bytes, isGzip, isCorrupt }: Step & { kind: 'chunk' }): void {
    if (this.#uploadId === '') return;
    let stream = this.#streams.get(slot);
    if (stream === undefined) {
      stream = this.#openStream();
      this.#streams.set(slot, stream);
    }
    const start = this.#offsetOf(stream, place, bytes);
    const end = Math.min(start + bytes, this.#content.size);
    if (start < end) this.#write(stream, start, end, isGzip, isCorrupt);
  }

  #offsetOf({ next }: OpenStream, place: Place, bytes: number): number {
    if (place === 'next') return next;
    if (place === 'again') return Math.max(0, next - bytes);
    if (place === 'overlap') return Math.max(0, next - Math.ceil(bytes / 2));
    if (place === 'gap') return next + 1;
    return Math.floor(place.share * this.#content.size);
  }

  #openStream(): OpenStream {
    return { ...this.#client.clientStream('UploadFile'), sent: [], next: 0 };
  }

  #write(stream: OpenStream, start: number, end: number, isGzip = false, isCorrupt = false): void {
    const raw = this.#content.bytes(start, end);
    stream.call.write({
      ...(stream.sent.length === 0 ? { uploadId: this.#uploadId } : {}),
      offset: start,
      chunk: isGzip ? gzipSync(raw, { level: 1 }) : raw,
      compressed: isGzip,
      rawSize: isGzip ? raw.length : 0,
      crc32: isCorrupt ? crc32(raw) ^ 1 : crc32(raw),
    });
    stream.sent.push({ start, end });
    stream.next = end;
    if (!isCorrupt) this.#sent.fill(1, start, end);
  }

  async #halfClose(slot: number): Promise<void> {
    const stream = this.#streams.get(slot);
    if (stream === undefined) return;
    this.#streams.delete(slot);
    stream.call.end();
    const end = await within('a half-closed stream ends', stream.ended);
    if (end.status !== 'OK') {
      assert(CODES_OF_STREAMS.has(end.code), `${end.status} ${end.code}: ${end.details}`);
      return;
    }
    if (this.#state !== 'open') return;
    // OK says that all of it is durable.
    const { parts } = await this.#status(false);
    for (const { start, end } of stream.sent) {
      const isThere = parts.some((part) => part.start <= start && end <= part.end);
      assert(isThere, `[${start}, ${end}) was acknowledged, and is not among ${JSON.stringify(parts)}`);
    }
  }

  async #cancel(slot: number): Promise<void> {
    const stream = this.#streams.get(slot);
    if (stream === undefined) return;
    this.#streams.delete(slot);
    stream.call.cancel();
    await within('a cancelled stream ends', stream.ended);
  }

  /** One question, or several at once. */
  async #ask(at: readonly UnaryKind[]): Promise<void> {
    if (this.#uploadId === '') return;
    const before = this.#state;
    const wasVisible = this.#isVisible;
    const ends = await Promise.all(at.map((kind) => this.#call(kind)));
    const isOk = (kind: UnaryKind) =>
      at.some((asked, index) => asked === kind && ends[index]?.status === 'OK');
    const hasFinished = isOk('finish') || isOk('finish wrongly');
    if (hasFinished && before !== 'finished') {
      this.#state = 'finished';
      this.#isVisible = true;
    } else if (isOk('abort') && before === 'open') {
      this.#state = 'gone';
    }
    // Deleted after it was finished, or before.
    if (isOk('delete')) this.#isVisible = this.#stored !== undefined;
    for (const [index, kind] of at.entries()) this.#check(kind, ends[index] as Answered, before, wasVisible);
  }

  #check(kind: UnaryKind, end: Answered, before: string, wasVisible: boolean): void {
    const what = `${kind}: ${end.status} ${end.code}: ${end.details}`;
    switch (kind) {
      case 'finish':
        if (end.status === 'OK') this.#checkFile(end.answer?.file);
        else assert(['CONTENT_MISMATCH', 'UPLOAD_NOT_FOUND', 'ALREADY_EXISTS'].includes(end.code), what);
        break;
      case 'finish wrongly':
        if (before === 'open' && this.#state !== 'finished') assert.notEqual(end.status, 'OK');
        break;
      case 'abort':
        // One that is finished is not aborted, and one that is aborted not finished.
        if (this.#state === 'finished') assert.equal(end.code, 'INVALID_ARGUMENT', what);
        else assert.equal(end.status, 'OK', what);
        break;
      case 'status':
      case 'sync':
        if (before !== 'gone' && this.#state !== 'gone') assert.equal(end.status, 'OK', what);
        if (before === 'gone') assert.equal(end.code, 'UPLOAD_NOT_FOUND', what);
        break;
      case 'delete':
        if (this.#state === before) assert.equal(end.status, wasVisible ? 'OK' : 'NOT_FOUND', what);
        break;
    }
  }

  #checkFile(file: unknown): void {
    if (this.#file !== undefined) assert.deepEqual(file, this.#file, 'each finish has the same result');
    this.#file = file;
  }

  #call(kind: UnaryKind): Promise<Answered> {
    const uploadId = this.#uploadId;
    const { size } = this.#content;
    const checksum = crc32(this.#content.bytes(0, size));
    switch (kind) {
      case 'finish':
        return this.#client.unary('FinishUpload', { uploadId, expected: { size, crc32: checksum } });
      case 'finish wrongly':
        return this.#client.unary('FinishUpload', { uploadId, expected: { size, crc32: checksum ^ 1 } });
      case 'abort':
        return this.#client.unary('AbortUpload', { uploadId });
      case 'delete':
        return this.#client.unary('DeleteFile', { fileName: this.#name });
      default:
        return this.#client.unary('GetUploadStatus', { uploadId, sync: kind === 'sync' });
    }
  }

  async #crash(during: readonly UnaryKind[]): Promise<void> {
    const before = this.#state;
    const asked = this.#uploadId === '' ? [] : during.map((kind) => this.#call(kind));
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    await this.#server.crash();
    const ends = await within('all calls end', Promise.all(asked));
    await within('all streams end', Promise.all(streams.map(({ ended }) => ended)));
    if (this.#uploadId === '') return;
    const status = await uploadStatus(this.#client, this.#uploadId);
    const hasEnded = (kind: UnaryKind) =>
      during.some((asked, i) => asked === kind && ends[i]?.status === 'OK');
    if (before === 'open' && status?.complete === true) {
      assert(during.includes('finish'), 'nobody has finished it');
      this.#state = 'finished';
    } else if (before === 'open' && status === undefined) {
      assert(during.includes('abort'), 'nobody has aborted it');
      this.#state = 'gone';
    }
    if (hasEnded('finish')) assert.equal(this.#state, 'finished');
    if (hasEnded('abort') && before === 'open') assert.equal(this.#state, 'gone');
    const isThere = this.#stored !== undefined;
    if (!during.includes('delete'))
      assert.equal(isThere, this.#isVisible || (this.#state !== before && this.#state === 'finished'));
    this.#isVisible = isThere;
    if (this.#state === 'open') await this.#status(false);
  }

  /** What the server says of the open upload, held against the model. */
  async #status(sync: boolean) {
    const status = await uploadStatus(this.#client, this.#uploadId, sync);
    assert(status !== undefined, 'an open upload is known');
    assert.equal(status.complete, false);
    assert(status.committedSize >= this.#acknowledged, 'the committed size decreased');
    this.#acknowledged = status.committedSize;
    let at = -1;
    for (const { start, end } of status.parts) {
      assert(at < start && start < end, 'parts are ascending, with gaps between them');
      assert(!this.#sent.subarray(start, end).includes(0), `nobody has sent all of [${start}, ${end})`);
      at = end;
    }
    const first = status.parts[0];
    assert.equal(status.committedSize, first?.start === 0 ? first.end : 0);
    return status;
  }

  /** What is under the name, from outside. */
  #look(): void {
    const found = this.#stored;
    assert.equal(
      found !== undefined,
      this.#isVisible,
      'a file is there when its upload is finished, and else not',
    );
    if (found === undefined) return;
    assert.equal(found.length, this.#content.size);
    assertBytes(found, this.#content, 0);
  }

  get #stored(): Buffer | undefined {
    return this.#server.read(this.#name);
  }

  get #client(): RawClient {
    return this.#server.client();
  }
}
