/**
 * An ExchangeResponse as a client receives it: decoded, with the encoded size of
 * what it carries, which is what credit of a listing counts.
 *
 *   | 08 | id | tag | length | answer |        the id is left out where it is 0
 */
import type { Buffer } from 'node:buffer';
import type { ExchangeResponse } from './messages.ts';
import { transferService } from './service.ts';

export interface ExchangeAnswer {
  readonly response: ExchangeResponse;
  /** Of the field that is there, without its tag and length. */
  readonly encodedBytes: number;
}

const ID_TAG = 0x08;
const DATA_TAG = 0x12;

/**
 * Throws for what is no ExchangeResponse, and for one of more than
 * `maxControlBytes` that is no chunk: decoded it would be several times as large.
 */
export function decodeExchangeAnswer(message: Buffer, maxControlBytes: number): ExchangeAnswer {
  const at = message[0] === ID_TAG ? behindVarint(message, 1) : 0;
  if (message.byteLength > maxControlBytes && message[at] !== DATA_TAG) {
    throw new Error(`an answer has ${message.byteLength} bytes; ${maxControlBytes} are the most`);
  }
  const response = transferService.Exchange?.responseDeserialize(message) as ExchangeResponse;
  return { response, encodedBytes: message.byteLength - behindVarint(message, at + 1) };
}

/** The offset behind the varint at `at`. */
function behindVarint(bytes: Uint8Array, at: number): number {
  let end = at;
  while (end < bytes.byteLength && (bytes[end] as number) >= 0x80) end += 1;
  return Math.min(end + 1, bytes.byteLength);
}
