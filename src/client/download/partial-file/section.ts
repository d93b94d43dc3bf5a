/** What one call fills of a partial file. */
import type { FileInfo } from '../../../wire/messages.ts';
import type { Section } from '../sinks/sink.ts';
import type { PartialFileWriter } from './writer.ts';
import type { WrittenRun } from './written-ranges.ts';

export interface SectionOwner {
  begin(file: FileInfo): void;
  /** The bytes of the run cannot be trusted. */
  takeBack(run: WrittenRun): Promise<void>;
}

export class PartialFileSection implements Section {
  readonly needsCrc32 = true;
  readonly #run: WrittenRun;
  readonly #writer: PartialFileWriter;
  readonly #owner: SectionOwner;

  constructor(run: WrittenRun, writer: PartialFileWriter, owner: SectionOwner) {
    this.#run = run;
    this.#writer = writer;
    this.#owner = owner;
  }

  get isFull(): boolean {
    return this.#writer.isFull;
  }

  begin(file: FileInfo): void {
    this.#owner.begin(file);
  }

  write(bytes: Uint8Array, crc32: number): void {
    this.#writer.push(this.#run, bytes, crc32);
  }

  close(): void {
    this.#run.isClosed = true;
  }

  async takeBack(): Promise<void> {
    await this.#owner.takeBack(this.#run);
  }
}
