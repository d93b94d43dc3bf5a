/**
 * Bounds request messages, and decompresses those with a grpc-encoding at once,
 * within that bound. grpc-js has one bound for all methods, and makes a zlib
 * stream for each compressed message, which costs more than the call.
 *
 * The private seam: `decoder`, `incomingEncoding` and `decompressMessage` of the
 * call that a server's first interceptor gets. Where they are missing, nothing
 * changes.
 */
import { gunzipSync, inflateSync } from 'node:zlib';
import { type ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';
import { MAX_REQUEST_MESSAGE_BYTES } from '../../base/limits.ts';
import { FRAME_HEADER_BYTES } from '../../wire/chunk-header.ts';

/** The part of grpc-js' BaseServerInterceptingCall in use here. */
interface DecompressingCall {
  decoder?: { maxReadMessageLength?: number };
  incomingEncoding?: string;
  maxReceiveMessageSize?: number;
  decompressMessage?(message: Buffer, encoding: string): Buffer | Promise<Buffer>;
}

const DECODERS = { gzip: gunzipSync, deflate: inflateSync } as const;

/**
 * Gives the call on as it is: a wrapped one would hide what `BulkCall` and `UploadCall` reach for.
 *
 * @param bulkPath the method whose messages carry chunks: they may be as large as the server allows any message to be
 */
export const inflateRequests =
  (bulkPath: string): ServerInterceptor =>
  (method, given) => {
    const call = given as ServerInterceptingCall;
    const base = given as unknown as DecompressingCall;
    const { decoder, incomingEncoding = 'identity', maxReceiveMessageSize = 0 } = base;
    if (maxReceiveMessageSize <= 0) return call;
    const maxOutputLength = method.path === bulkPath ? maxReceiveMessageSize : MAX_REQUEST_MESSAGE_BYTES;
    if (decoder?.maxReadMessageLength !== undefined) decoder.maxReadMessageLength = maxOutputLength;
    if (incomingEncoding !== 'gzip' && incomingEncoding !== 'deflate') return call;
    const decode = DECODERS[incomingEncoding];
    if (base.decompressMessage === undefined) return call;
    base.decompressMessage = (message, encoding) => {
      const body = message.subarray(FRAME_HEADER_BYTES);
      // The peer may leave single messages uncompressed.
      return encoding === 'identity'
        ? body
        : decoded(
            () => decode(body, { maxOutputLength, chunkSize: MAX_REQUEST_MESSAGE_BYTES }),
            maxOutputLength,
          );
    };
    return call;
  };

/** grpc-js ends the call with the rejection. */
function decoded(decode: () => Buffer, mostBytes: number): Buffer | Promise<Buffer> {
  try {
    return decode();
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    const details = isTooLarge
      ? `a request message decompresses to more than ${mostBytes} bytes`
      : 'a request message is not what its encoding says';
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- what grpc-js takes for a status
    return Promise.reject({
      code: isTooLarge ? status.RESOURCE_EXHAUSTED : status.INVALID_ARGUMENT,
      details,
    });
  }
}
