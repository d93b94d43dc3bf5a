/** A small call by bare node:http2, which costs a fraction of what the server spends. */
import { once } from 'node:events';
import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2';
import { TransferService } from './contract.ts';

/** What asks for the size of `file` and rejects unless the answer is OK. */
export function bareSizeCall(file: string, token?: string): (session: ClientHttp2Session) => Promise<void> {
  const { path, requestSerialize } = TransferService.service.GetFileSize as NonNullable<
    (typeof TransferService.service)[string]
  >;
  const message = requestSerialize({ fileName: file });
  const body = Buffer.alloc(5 + message.length);
  body.writeUInt32BE(message.length, 1);
  body.set(message, 5);
  const headers: OutgoingHttpHeaders = {
    ':method': 'POST',
    ':path': path,
    te: 'trailers',
    'content-type': 'application/grpc',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  return async (session) => {
    const stream = session.request(headers);
    let status: unknown;
    stream.on('response', (answered) => (status ??= answered['grpc-status']));
    stream.on('trailers', (trailers) => (status ??= trailers['grpc-status']));
    stream.end(body).resume();
    await once(stream, 'close');
    if (status !== '0') throw new Error(`a call ended with status ${String(status)}`);
  };
}
