/**
 * What a client does with one upload, over the wire, in a few calls; and what it
 * may rely on whatever happens in between. It can be broken off anywhere and gone
 * on with, at the same server or at one that was started later.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { missingRanges } from '../../src/base/ranges.ts';
import { type Content, joined, lines, noise } from './content.ts';
import type { Answered, RawClient } from './peers/raw-client.ts';
import { chunkMessages, sendMessages, uploadStatus } from './peers/raw-upload.ts';
import { Random } from './seed.ts';

const PIECE_BYTES = 24 * 1024;
const MAX_CHUNK_BYTES = 64 * 1024;

export interface JourneyOptions {
  readonly name?: string;
  readonly content?: Content;
  readonly overwrite?: 'OVERWRITE_NEVER' | 'OVERWRITE_ALWAYS';
  /** Each piece is one call, which ends with a sync. */
  readonly pieceBytes?: number;
}

export class UploadJourney {
  readonly name: string;
  readonly content: Content;
  readonly #overwrite: string;
  readonly #pieceBytes: number;
  readonly #random = new Random(1);
  /** What the client was told. */
  uploadId = '';
  committed = 0;
  file: unknown;

  constructor(options: JourneyOptions = {}) {
    this.name = options.name ?? 'new/directory/file';
    this.content = options.content ?? joined(noise(1, PIECE_BYTES), lines(PIECE_BYTES + 17));
    this.#overwrite = options.overwrite ?? 'OVERWRITE_NEVER';
    this.#pieceBytes = options.pieceBytes ?? PIECE_BYTES;
  }

  /** The same journey as seen by somebody who knows no more than this of it; it makes its file in any case. */
  resumed(known: Pick<UploadJourney, 'uploadId' | 'committed' | 'file'>): UploadJourney {
    const { name, content } = this;
    const options = { name, content, overwrite: 'OVERWRITE_ALWAYS', pieceBytes: this.#pieceBytes } as const;
    return Object.assign(new UploadJourney(options), known);
  }

  /** From wherever it is to the finished file. The first call that fails ends it. */
  async run(client: RawClient): Promise<Answered> {
    const sent = await this.sendAll(client);
    return sent.status === 'OK' ? await this.finish(client) : sent;
  }

  async begin(client: RawClient): Promise<Answered> {
    const whole = this.content.bytes(0, this.content.size);
    const expected = {
      size: this.content.size,
      crc32: crc32(whole),
      sha256: createHash('sha256').update(whole).digest(),
    };
    const request = { fileName: this.name, expected, overwrite: this.#overwrite };
    const started = await client.unary('StartUpload', request);
    this.uploadId = (started.answer?.uploadId ?? '') as string;
    return started;
  }

  /** Begins, where it has not, and sends what is missing, a piece with each call. */
  async sendAll(client: RawClient): Promise<Answered> {
    if (this.uploadId === '') {
      const started = await this.begin(client);
      if (started.status !== 'OK') return started;
    }
    const asked = await client.unary('GetUploadStatus', { uploadId: this.uploadId });
    if (asked.status !== 'OK' || asked.answer?.complete === true) return asked;
    const status = await this.look(client);
    for (const { start, end } of status === undefined
      ? []
      : missingRanges(status.parts, 0, this.content.size)) {
      for (let at = start; at < end; at += this.#pieceBytes) {
        const sent = await this.#send(client, at, Math.min(end, at + this.#pieceBytes));
        if (sent.status !== 'OK') return sent;
      }
    }
    return asked;
  }

  async finish(client: RawClient): Promise<Answered> {
    const finished = await client.unary('FinishUpload', { uploadId: this.uploadId, fileName: this.name });
    if (finished.status !== 'OK') return finished;
    if (this.file !== undefined)
      assert.deepEqual(finished.answer?.file, this.file, 'each finish has one result');
    this.file = finished.answer?.file;
    return finished;
  }

  /** Looks at the upload and holds it to what was acknowledged. */
  async look(client: RawClient) {
    const status = await uploadStatus(client, this.uploadId);
    if (status !== undefined) this.#acknowledge(status.committedSize);
    return status;
  }

  async #send(client: RawClient, start: number, end: number): Promise<Answered> {
    const messages = chunkMessages(
      this.content,
      start,
      end,
      this.#random,
      Math.min(this.#pieceBytes, MAX_CHUNK_BYTES),
    );
    const sent = await sendMessages(client, this.uploadId, messages);
    if (sent.answer !== undefined) this.#acknowledge(Number(sent.answer.committedSize));
    return sent;
  }

  #acknowledge(committedSize: number): void {
    assert(
      committedSize >= this.committed,
      `${this.committed} bytes were acknowledged, ${committedSize} are left`,
    );
    this.committed = committedSize;
  }
}
