/** Headers written in place, against the same message made by protobufjs and framed as grpc-js does. */
import { bench, do_not_optimize, group, summary } from 'mitata';
import { KIB } from '../../src/base/units.ts';
import { type ChunkFields, chunkHeaderBytes, writeChunkHeader } from '../../src/wire/chunk-header.ts';
import { TransferService } from '../peers/contract.ts';

const CHUNK_BYTES = 256 * KIB;
const FRAME_HEADER_BYTES = 5;

export function benchFraming(): void {
  const target = new Uint8Array(new SharedArrayBuffer(4 * KIB));
  const plain: ChunkFields = {
    wireBytes: CHUNK_BYTES,
    rawBytes: CHUNK_BYTES,
    compressed: false,
    offset: -1,
    crc32: -1,
    codec: 0,
  };
  const full: ChunkFields = { ...plain, compressed: true, offset: 2 ** 34, crc32: 0x1234_5678 };
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const serialize = TransferService.service.StreamFile?.responseSerialize;
  if (serialize === undefined) throw new Error('the contract has no StreamFile');
  group('message of 256 KiB', () => {
    summary(() => {
      bench('size of the header, all fields', () => do_not_optimize(chunkHeaderBytes(full)));
      bench('header in place, chunk only', () => do_not_optimize(writeChunkHeader(target, 0, plain)));
      bench('header in place, all fields', () => do_not_optimize(writeChunkHeader(target, 0, full)));
      bench('protobufjs and frame, chunk only', () =>
        do_not_optimize(frame(serialize({ chunk }))),
      ).baseline();
    });
  });
}

/** As grpc-js does it. */
function frame(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(message.length + FRAME_HEADER_BYTES);
  framed.writeUInt8(0, 0);
  framed.writeUInt32BE(message.length, 1);
  message.copy(framed, FRAME_HEADER_BYTES);
  return framed;
}
