/**
 * The bytes of one upload, as far as this server knows them: parts that the store
 * has, and parts in the memory of this server.
 */
import { type ByteRange, missingRanges } from '../../../base/ranges.ts';
import { CheckedRanges } from '../../../wire/checked-ranges.ts';
import type { S3UploadContext } from './context.ts';
import { Gathering } from './gathering.ts';
import type { Ownership } from './ownership.ts';
import { PartShare } from './part-memory.ts';
import type { Session } from './session.ts';
import { StoredParts } from './stored-parts.ts';

export class UploadContent {
  readonly stored: StoredParts;
  /** What its streams have of the memory for parts. */
  readonly share: PartShare;
  readonly #session: Session;
  readonly #gathering: Gathering;
  readonly #failed: (reason: unknown) => void;
  #mayLackBytes: boolean;

  /** @param failed told why parts could not be stored or committed: their bytes have to be sent again */
  constructor(
    context: S3UploadContext,
    session: Session,
    ownership: Ownership,
    failed: (reason: unknown) => void,
  ) {
    this.#session = session;
    this.#failed = failed;
    this.#mayLackBytes = !ownership.isOurs;
    this.stored = new StoredParts(context, session, ownership);
    this.share = new PartShare(context.memory);
    this.#gathering = new Gathering(
      {
        partBytes: session.partBytes,
        expectedSize: session.expected.size,
        isStored: (index) => this.stored.has(index),
        store: async (part, body) => {
          await this.stored.send(part, body);
          void this.#commit();
        },
        failed,
        dropped: () => this.lacksBytes(),
      },
      this.share,
    );
  }

  /** Bytes that were sent to a server may not be here. */
  get mayLackBytes(): boolean {
    return this.#mayLackBytes;
  }

  lacksBytes(): void {
    this.#mayLackBytes = true;
  }

  /** Nothing of it is in memory. */
  get isStored(): boolean {
    return this.#gathering.isEmpty;
  }

  /** Bytes that have come, durable or not. */
  get receivedSize(): number {
    const ranges = [...this.stored.all, ...this.#gathering.parts.flatMap(({ filled }) => filled)];
    return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /** As `Upload.missing`. */
  missing(start: number, end: number): ByteRange[] {
    const { partBytes } = this.#session;
    const present: ByteRange[] = [];
    for (let index = Math.floor(start / partBytes); index * partBytes < end; index++) {
      const stored = this.stored.rangeOf(index);
      if (stored === undefined) present.push(...(this.#gathering.part(index)?.filled ?? []));
      else present.push(stored);
    }
    return missingRanges(present, start, end);
  }

  /** As `Writer.write`. */
  async write(data: Uint8Array, offset: number, signal: AbortSignal): Promise<void> {
    await this.#gathering.write(data, offset, signal);
  }

  /** Sends full parts, with `size` the last one too, and commits them. What fails goes to `failed`. */
  async flush(size?: number): Promise<void> {
    await this.#gathering.flush(size);
    await this.#commit();
  }

  /** All that is here, with its checksums. */
  checked(): CheckedRanges {
    const ranges = new CheckedRanges(this.stored.all);
    for (const part of this.#gathering.parts) for (const range of part.checked()) ranges.add(range);
    return ranges;
  }

  /** The bytes of a file that is one part, or none, and in memory; undefined for any other. */
  onlyPart(size: number): Uint8Array | undefined {
    if (!this.stored.isEmpty || size > this.#session.partBytes) return undefined;
    return size === 0 ? new Uint8Array(0) : this.#gathering.part(0)?.bytesTo(size);
  }

  /** Gives up what is in memory. */
  drop(): void {
    if (this.#gathering.isEmpty) return;
    this.#gathering.drop();
    this.lacksBytes();
  }

  /** Resolves when nothing is being sent to the store. */
  async idle(): Promise<void> {
    await this.#gathering.idle();
  }

  /** Never rejects. */
  async #commit(): Promise<void> {
    await this.stored.commit().catch(this.#failed);
  }
}
