/**
 * The writing side of a client's call whose messages are framed already: they
 * go straight to the call's HTTP/2 stream, without the copy and the new buffer
 * that grpc-js makes of each. Uploads need half of the client's processor time
 * so: V8 counts those buffers against its old space and collects all of it for
 * every 25 MiB of them.
 *
 * The private seam: `clientStreamOf`. `directWritesWork` tests it once for each
 * process, when a call has got so far that it is worth it; before that and
 * where it fails, messages go through grpc-js.
 *
 * Invariant: frames go straight only when nothing is on its way through
 * grpc-js, so none overtakes another. This needs `DIRECT_WRITE_OPTIONS`.
 */
import type { Http2Stream } from 'node:http2';
import type { ClientWritableStream } from '@grpc/grpc-js';
import { MIB } from '../../base/units.ts';
import { FRAME_HEADER_BYTES } from '../../wire/chunk-header.ts';
import { directWritesWork } from '../self-tests/direct-write-test.ts';
import { clientStreamOf } from './call-stream.ts';

/** Processes that send less do without; the test, which costs some milliseconds, need not hold them up. */
const TEST_AFTER_BYTES = 4 * MIB;

/** Whether the seam works in this process. */
export class DirectWrites {
  readonly #test: () => Promise<boolean>;
  #testing: Promise<void> | undefined;
  #work = false;

  constructor(test: () => Promise<boolean>) {
    this.#test = test;
  }

  /** Known to work. */
  get work(): boolean {
    return this.#work;
  }

  /** Tests it, once; resolves when it is known. */
  async tested(): Promise<void> {
    this.#testing ??= this.#test().then((work) => {
      this.#work = work;
    });
    await this.#testing;
  }
}

const ofThisProcess = new DirectWrites(directWritesWork);

interface Frame {
  readonly bytes: Uint8Array;
  readonly done: () => void;
}

export class FrameWriter {
  readonly #call: ClientWritableStream<Uint8Array>;
  readonly #directWrites: DirectWrites;
  #stream: Http2Stream | undefined;
  #writtenBytes = 0;
  /** Messages on their way through grpc-js. */
  #ordinary = 0;
  /** Frames that go straight once there are none. */
  readonly #waiting: Frame[] = [];
  #isEnding = false;

  constructor(call: ClientWritableStream<Uint8Array>, directWrites = ofThisProcess) {
    this.#call = call;
    this.#directWrites = directWrites;
  }

  /**
   * Sends one message in its frame. Its bytes belong to the writer until `done`,
   * which never comes if the call ends before.
   */
  write(bytes: Uint8Array, done: () => void): void {
    this.#writtenBytes += bytes.byteLength;
    const frame = { bytes, done };
    if (this.#stream !== undefined) writeTo(this.#stream, frame);
    else if (this.#mayGoStraight && this.#ordinary > 0) this.#waiting.push(frame);
    else {
      // Before its first message, a call is on no stream.
      this.#stream = this.#mayGoStraight ? clientStreamOf(this.#call) : undefined;
      if (this.#stream === undefined) this.#writeOrdinarily(frame);
      else writeTo(this.#stream, frame);
    }
  }

  /** Half-closes the call behind all frames. */
  end(): void {
    if (this.#waiting.length === 0) this.#call.end();
    else this.#isEnding = true;
  }

  get #mayGoStraight(): boolean {
    if (!this.#directWrites.work && this.#writtenBytes >= TEST_AFTER_BYTES) void this.#directWrites.tested();
    return this.#directWrites.work;
  }

  #writeOrdinarily({ bytes, done }: Frame): void {
    this.#ordinary += 1;
    this.#call.write(bytes.subarray(FRAME_HEADER_BYTES), () => {
      this.#ordinary -= 1;
      if (this.#ordinary === 0) this.#goStraight();
      done();
    });
  }

  #goStraight(): void {
    if (this.#waiting.length === 0) return;
    this.#stream = clientStreamOf(this.#call);
    // Without one the call is over, and nothing is sent any more.
    if (this.#stream === undefined) return;
    for (const frame of this.#waiting.splice(0)) writeTo(this.#stream, frame);
    if (this.#isEnding) this.#call.end();
  }
}

/** A failure ends the call; its owner hears of it there. */
function writeTo(stream: Http2Stream, { bytes, done }: Frame): void {
  stream.write(bytes, (error) => {
    // Node 26 reports no error when the stream is destroyed under the write.
    if (error || stream.destroyed) return;
    // As grpc-js does it: nothing is done to a stream within its own callback.
    process.nextTick(done);
  });
}
