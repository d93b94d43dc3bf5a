/** A relay before a server that puts things wrong on the way, mostly in what the server says. */
import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';
import { frame } from '../peers/h2-frames.ts';
import { framed } from '../peers/raw-http2.ts';
import { Random } from '../seed.ts';
import { FrameReader } from './frame-reader.ts';
import { mutateFrames } from './mutate-frames.ts';
import { mutateMessage } from './mutate-message.ts';

const PREFACE_BYTES = 24;
const FRAME_HEADER_BYTES = 9;
const PREFIX_BYTES = 5;

/** How many frames are changed: few enough that what comes behind the first is reached. */
const OF_THE_SERVER = 0.12;
const OF_THE_CLIENT = 0.03;

export class MutatingRelay {
  address = '';
  /** Things that were put wrong. */
  cases = 0;
  readonly #port: number;
  readonly #seed: number;
  readonly #sockets = new Set<net.Socket>();
  #connections = 0;

  private constructor(port: number, seed: number) {
    this.#port = port;
    this.#seed = seed;
  }

  static async start(t: TestContext, port: number, seed: number): Promise<MutatingRelay> {
    const relay = new MutatingRelay(port, seed);
    const listener = net.createServer((near) => relay.#join(near));
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    t.after(() => {
      listener.close();
      for (const socket of relay.#sockets) socket.destroy();
    });
    relay.address = `127.0.0.1:${(listener.address() as net.AddressInfo).port}`;
    return relay;
  }

  #join(near: net.Socket): void {
    this.#connections += 1;
    const random = new Random(this.#seed + this.#connections);
    const localAddress = `127.${random.between(1, 250)}.${random.between(0, 255)}.${random.between(1, 254)}`;
    const far = net.connect({ port: this.#port, host: '127.0.0.1', localAddress });
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket
        .on('error', () => {})
        .on('close', () => {
          this.#sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
    }
    this.#pass(far, near, random, OF_THE_SERVER, 0);
    this.#pass(near, far, random, OF_THE_CLIENT, PREFACE_BYTES);
  }

  /** The first bytes of a client are its preface, which is no frame. */
  #pass(from: net.Socket, to: net.Socket, random: Random, share: number, prefaceBytes: number): void {
    let preface = prefaceBytes;
    const reader = new FrameReader((_type, _flags, bytes) => {
      if (random.next() >= share) to.write(bytes);
      else {
        this.cases += 1;
        for (const mutated of mutations(random, bytes)) to.write(mutated);
      }
    });
    from.on('data', (bytes) => {
      const first = bytes.subarray(0, preface);
      preface -= first.length;
      if (first.length > 0) to.write(first);
      reader.read(bytes.subarray(first.length));
    });
    from.on('end', () => to.end());
  }
}

/** A frame with something wrong: a message that is whole in it is changed, else the frame. */
function mutations(random: Random, bytes: Buffer): Buffer[] {
  const message = messageIn(bytes);
  if (message !== null && random.next() < 0.8) {
    const body = Buffer.concat([framed(mutateMessage(random, message.bytes)), message.behind]);
    return [frame(0, bytes.readUInt8(4), bytes.readUInt32BE(5), body)];
  }
  const frames = [bytes];
  mutateFrames(random, frames);
  return frames;
}

/** The first message of a DATA frame, and what is behind it. */
function messageIn(bytes: Buffer): { bytes: Buffer; behind: Buffer } | null {
  const start = FRAME_HEADER_BYTES + PREFIX_BYTES;
  if (bytes.readUInt8(3) !== 0 || bytes.length < start || bytes.readUInt8(FRAME_HEADER_BYTES) !== 0)
    return null;
  const end = start + bytes.readUInt32BE(FRAME_HEADER_BYTES + 1);
  return end > bytes.length ? null : { bytes: bytes.subarray(start, end), behind: bytes.subarray(end) };
}
