/** A `root` that is a bucket of an object store: `s3://bucket/prefix`. */
import { parseStoreCapabilities, STORE_CAPABILITIES } from '../base/store-capabilities.ts';
import type { Config } from './schema.ts';

export interface BucketRoot {
  readonly bucket: string;
  /** Without a '/' at either end; empty for the whole bucket. */
  readonly prefix: string;
}

const SCHEME = 's3://';

/** The rules of Amazon S3, and what other stores allow beyond them. */
const BUCKET_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/;

const BAD_COMPONENTS: ReadonlySet<string> = new Set(['', '.', '..']);

/** The bucket that `root` names; undefined where it is a directory. */
export function bucketRootOf(root: string): BucketRoot | undefined {
  if (!root.startsWith(SCHEME)) return undefined;
  const [bucket = '', ...components] = root.slice(SCHEME.length).replace(/\/+$/, '').split('/');
  return { bucket, prefix: components.join('/') };
}

/** What is wrong with a bucket as root, and how it is reached. */
export function bucketProblems({ root, s3 }: Pick<Config, 'root' | 's3'>): string[] {
  const found = bucketRootOf(root);
  if (found === undefined) return [];
  const problems: string[] = [];
  const { bucket, prefix } = found;
  if (!BUCKET_NAME.test(bucket)) {
    problems.push(`root ${root} names no bucket; write s3://bucket or s3://bucket/prefix`);
  }
  if (prefix !== '' && prefix.split('/').some((component) => BAD_COMPONENTS.has(component))) {
    problems.push(`root ${root} has a component that no name has: empty, "." or ".."; remove it`);
  }
  if (s3.endpoint !== '' && !isHttpUrl(s3.endpoint)) {
    problems.push(`s3.endpoint ${s3.endpoint} is no URL; write https://host or http://host:port`);
  }
  const unknown = unknownCapability(s3.capabilities);
  if (unknown !== undefined) {
    problems.push(
      `s3.capabilities names ${unknown}; write auto, none, or a list of ${STORE_CAPABILITIES.join(', ')}`,
    );
  }
  return problems;
}

function unknownCapability(text: string): string | undefined {
  try {
    parseStoreCapabilities(text);
    return undefined;
  } catch (reason) {
    return (reason as Error).message || 'nothing';
  }
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol);
}
