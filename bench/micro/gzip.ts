/** gzip of a chunk of program text at the levels that are worth considering, and back. */
import { readFileSync } from 'node:fs';
import { constants, gunzipSync, gzipSync } from 'node:zlib';
import { bench, do_not_optimize, group, summary } from 'mitata';
import { KIB } from '../../src/base/units.ts';
import { repositoryPath } from '../harness/paths.ts';
import { collectSources } from '../harness/test-files.ts';

const CHUNK_BYTES = 256 * KIB;
const LEVELS = [1, 2, 3, 6];

export function benchGzip(): void {
  const text = programText();
  const member = gzipSync(text, { level: 1 });
  const tuned = { memLevel: constants.Z_MAX_MEMLEVEL, chunkSize: CHUNK_BYTES + KIB };
  group('gzip of 256 KiB of text', () => {
    summary(() => {
      for (const level of LEVELS) {
        const percent = Math.round((gzipSync(text, { ...tuned, level }).length / text.length) * 100);
        bench(`level ${level}, to ${percent} %`, () => do_not_optimize(gzipSync(text, { ...tuned, level })));
      }
      bench('level 1, default memLevel and chunkSize', () => do_not_optimize(gzipSync(text, { level: 1 })));
    });
  });
  group('gunzip to 256 KiB of text', () => {
    summary(() => {
      bench('chunkSize of the raw size', () =>
        do_not_optimize(gunzipSync(member, { chunkSize: CHUNK_BYTES })),
      );
      bench('default chunkSize', () => do_not_optimize(gunzipSync(member))).baseline();
    });
  });
}

/** The same text in every checkout with the same dependencies. */
export function programText(): Buffer {
  const sources = collectSources(repositoryPath('node_modules/@grpc/grpc-js/build/src'));
  return Buffer.concat(
    sources.map((path) => readFileSync(path)),
    CHUNK_BYTES,
  );
}
