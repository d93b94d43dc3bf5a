/**
 * A relay before a plaintext server that counts its client's pings as grpc-go,
 * grpc-java and gRPC's core do by default: each ping is a strike, unless the
 * server has sent HEADERS or DATA since the one before it.
 */
import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';

/** One more ends the connection. */
export const ALLOWED_STRIKES = 2;

const FRAME_HEADER_BYTES = 9;
const PREFACE_BYTES = 24;
const [DATA, HEADERS, PING] = [0, 1, 6];
const ACK = 1;
const ENHANCE_YOUR_CALM = 11;

export class PingCounter {
  /** `host:port`. */
  address = '';
  /** Pings of the client on all connections. */
  pings = 0;
  /** The most strikes there were at once on any connection. */
  worstStrikes = 0;
  /** End connections as those servers do. */
  isStrict = false;
  /** Connections that were ended for their pings. */
  goaways = 0;
  connections = 0;
  readonly #port: number;
  readonly #sockets = new Set<net.Socket>();

  private constructor(port: number) {
    this.#port = port;
  }

  static async start(t: TestContext, port: number): Promise<PingCounter> {
    const counter = new PingCounter(port);
    const listener = net.createServer((near) => counter.#relay(near));
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    t.after(() => {
      listener.close();
      for (const socket of counter.#sockets) socket.destroy();
    });
    counter.address = `127.0.0.1:${(listener.address() as net.AddressInfo).port}`;
    return counter;
  }

  #relay(near: net.Socket): void {
    this.connections += 1;
    const far = net.connect(this.#port, '127.0.0.1');
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    // As a server counts that has not sent anything yet.
    let hasSent = false;
    let strikes = 0;
    const fromServer = new Frames(0, (type) => {
      if (type === DATA || type === HEADERS) hasSent = true;
    });
    const fromClient = new Frames(PREFACE_BYTES, (type, flags) => {
      if (type !== PING || (flags & ACK) !== 0) return;
      this.pings += 1;
      strikes = hasSent ? 0 : strikes + 1;
      hasSent = false;
      this.worstStrikes = Math.max(this.worstStrikes, strikes);
      if (this.isStrict && strikes > ALLOWED_STRIKES) this.#end(near);
    });
    near.on('data', (bytes) => fromClient.take(bytes)).pipe(far);
    far.on('data', (bytes) => fromServer.take(bytes)).pipe(near);
  }

  #end(near: net.Socket): void {
    this.goaways += 1;
    const data = Buffer.from('too_many_pings');
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + 8 + data.byteLength);
    frame.writeUIntBE(8 + data.byteLength, 0, 3);
    frame.writeUInt8(7, 3);
    frame.writeUInt32BE(ENHANCE_YOUR_CALM, FRAME_HEADER_BYTES + 4);
    data.copy(frame, FRAME_HEADER_BYTES + 8);
    near.end(frame);
  }
}

/** Finds the headers of HTTP/2 frames in a byte stream. */
class Frames {
  readonly #onFrame: (type: number, flags: number) => void;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerBytes = 0;
  #skipBytes: number;

  constructor(skipBytes: number, onFrame: (type: number, flags: number) => void) {
    this.#skipBytes = skipBytes;
    this.#onFrame = onFrame;
  }

  take(bytes: Buffer): void {
    for (let at = 0; at < bytes.byteLength; ) {
      const skipped = Math.min(this.#skipBytes, bytes.byteLength - at);
      this.#skipBytes -= skipped;
      at += skipped;
      const copied = bytes.copy(this.#header, this.#headerBytes, at);
      this.#headerBytes += copied;
      at += copied;
      if (this.#headerBytes < FRAME_HEADER_BYTES) continue;
      this.#headerBytes = 0;
      this.#skipBytes = this.#header.readUIntBE(0, 3);
      this.#onFrame(this.#header[3] as number, this.#header[4] as number);
    }
  }
}
