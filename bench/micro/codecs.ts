/** A chunk of program text through every coding that a server chooses from, and back. */
import { bench, do_not_optimize, group, summary } from 'mitata';
import { type CodecName, codingsFor, nameOfCoding } from '../../src/base/coding.ts';
import { decodeChunk } from '../../src/wire/chunk-decoder.ts';
import { encodeSync, RUNTIME_CODECS } from '../../src/wire/codec.ts';
import { programText } from './gzip.ts';

export function benchCodecs(): void {
  const text = programText();
  const codings = new Map(
    RUNTIME_CODECS.flatMap((codec) => codingsFor([codec], 9)).map((coding) => [nameOfCoding(coding), coding]),
  );
  group('256 KiB of text, compressed', () => {
    summary(() => {
      for (const [name, coding] of codings) {
        const percent = Math.round((encodeSync(text, coding).length / text.length) * 100);
        bench(`${name}, to ${percent} %`, () => do_not_optimize(encodeSync(text, coding)));
      }
    });
  });
  group('256 KiB of text, decompressed', () => {
    summary(() => {
      for (const [name, coding] of codings) {
        const chunk = encodeSync(text, coding);
        bench(name, () => decoded(chunk, coding.codec as CodecName, text.length));
      }
    });
  });
}

function decoded(chunk: Uint8Array, codec: CodecName, rawBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    decodeChunk(chunk, codec, rawBytes, (error, content) => {
      if (error === undefined) resolve(content);
      else reject(error);
    });
  });
}
