/** The codecs of this runtime, each compressing as a server would, and whether tests of zstd can run. */
import type { Coding } from '../../src/base/coding.ts';
import { RUNTIME_CODECS } from '../../src/wire/codec.ts';

/** A reason for `skip` where this Node has no zstd. */
export const WITHOUT_ZSTD: string | false = RUNTIME_CODECS.includes('zstd')
  ? false
  : `Node ${process.versions.node} has no zstd (22.15 and later do)`;

const CODINGS: readonly Coding[] = [
  { codec: 'gzip', level: 1 },
  { codec: 'gzip', level: 6 },
  { codec: 'brotli', level: 0 },
  { codec: 'brotli', level: 1 },
  { codec: 'zstd', level: 1 },
  { codec: 'zstd', level: 3 },
];

/** A few of what this runtime has. */
export const CODINGS_HERE: readonly Coding[] = CODINGS.filter(
  ({ codec }) => codec !== 'identity' && RUNTIME_CODECS.includes(codec),
);
