/** HTTP/2 frames and header blocks made by hand, for peers that no library would be. */

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
export const GOAWAY = 7;
const CONTINUATION = 9;

export const END_STREAM = 1;
export const END_HEADERS = 4;

export const FRAME_HEADER_BYTES = 9;

/** Any frame at all. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes.writeUInt8(type, 3);
  bytes.writeUInt8(flags, 4);
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

export const headers = (stream: number, block: Uint8Array, flags = END_HEADERS): Buffer =>
  frame(HEADERS, flags, stream, block);

export const continuation = (stream: number, block: Uint8Array, flags = 0): Buffer =>
  frame(CONTINUATION, flags, stream, block);

export const data = (stream: number, bytes: Uint8Array, flags = 0): Buffer =>
  frame(DATA, flags, stream, bytes);

export const reset = (stream: number, code = 8): Buffer => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return frame(RST_STREAM, 0, stream, payload);
};

/** The peer begins no more streams, because of an error. */
export const goAway = (code: number): Buffer => {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(code, 4);
  return frame(GOAWAY, 0, 0, payload);
};

/** What a peer sends first. */
export const opening = (): Buffer => Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, Buffer.alloc(0))]);

/** A field that the receiver does not keep, or keeps in its table as entry 62, those before it moving up. */
export function literal(name: string, value: string, isKept = false): Buffer {
  return Buffer.concat([Buffer.from([isKept ? 0x40 : 0]), text(name), text(value)]);
}

/** The newest entry of the receiver's table, `times` times: one byte each. */
export const references = (times: number): Buffer => Buffer.alloc(times, 0x80 | 62);

/** The header block of a gRPC call of this service. */
export function callBlock(method: string, more: Record<string, string> = {}): Buffer {
  const fields = {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': `/sluice.v1.TransferService/${method}`,
    ':authority': 'x',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...more,
  };
  return Buffer.concat(Object.entries(fields).map(([name, value]) => literal(name, value)));
}

/** A string without Huffman's code: its length as an integer with a prefix of 7 bits. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  return Buffer.concat([integer(bytes.length), bytes]);
}

function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}
