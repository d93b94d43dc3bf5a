/**
 * What a store does with the conditions and checksums of a request. Stores that do not
 * know one ignore it, so each is tried at start, with an object of its own, unless the
 * operator says what the store does.
 */
import { randomUUID } from 'node:crypto';
import { TransferError } from '../../base/errors.ts';
import type { StoreCapability } from '../../base/store-capabilities.ts';
import { crc32 } from '../../wire/crc32.ts';
import type { Bucket } from './bucket.ts';
import type { Keys } from './keys.ts';
import type { Multipart } from './multipart.ts';
import { isTransient, saidOf, statusOf } from './s3-error.ts';

export interface Capabilities {
  /** How `If-Match` of a PUT wants an ETag; null: it is ignored. */
  readonly putIfMatch: Form | null;
  /** DELETE has `If-Match`. */
  readonly deleteIfMatch: boolean;
  /** The completion of a multipart upload has both conditions. */
  readonly completeConditions: boolean;
  /** PUT and the parts of multipart uploads have a CRC-32 that is verified. */
  readonly checksums: boolean;
}

/** Writers that race for one key; of a store without an atomic check several win. */
const RACERS = 8;

const PART = Buffer.from('z');
const PART_CRC32 = crc32(PART);

const NO_VERSION = '00000000000000000000000000000000';

/** How stores want an ETag: as RFC 9110 has it, and as Ceph up to version 16 has it. */
const FORMS: readonly [Form, Form] = [(version) => `"${version}"`, (version) => version];

type Form = (version: string) => string;

/** Of a store of which the operator says what it does. */
export function capabilitiesOf(names: ReadonlySet<StoreCapability>): Capabilities {
  const [quoted, bare] = FORMS;
  const unquoted = names.has('put-if-match-unquoted') ? bare : null;
  return {
    putIfMatch: names.has('put-if-match') ? quoted : unquoted,
    deleteIfMatch: names.has('delete-if-match'),
    completeConditions: names.has('complete-conditions'),
    checksums: names.has('checksums'),
  };
}

/** As the operator would say it. */
export function namesOfCapabilities(can: Capabilities): ReadonlySet<StoreCapability> {
  const names = new Set<StoreCapability>();
  if (can.putIfMatch !== null)
    names.add(can.putIfMatch === FORMS[0] ? 'put-if-match' : 'put-if-match-unquoted');
  if (can.deleteIfMatch) names.add('delete-if-match');
  if (can.completeConditions) names.add('complete-conditions');
  if (can.checksums) names.add('checksums');
  return names;
}

/**
 * Throws INVALID_CONFIG where nothing can be written safely, or at all.
 *
 * @param multipart without checksums, or with them
 */
export async function probeCapabilities(
  bucket: Bucket,
  multipart: (hasChecksums: boolean) => Multipart,
  keys: Keys,
): Promise<Capabilities> {
  const key = `${keys.prefix}.sluice-probe/${randomUUID()}`;
  try {
    await requireCreateOnly(bucket, key);
    const putIfMatch = await putForm(bucket, key);
    const completeConditions = await hasCompleteConditions(multipart(false), key);
    const checksums = await verifiesChecksums(multipart(true), key);
    const deleteIfMatch = await isRefused(bucket.delete(key, `"${NO_VERSION}"`));
    return { putIfMatch, deleteIfMatch, completeConditions, checksums };
  } catch (reason) {
    if (reason instanceof TransferError) throw reason;
    const message = `nothing can be written to the bucket: ${saidOf(reason)}; grant the right, or serve it without --writable`;
    throw new TransferError(isTransient(reason) ? 'UNAVAILABLE' : 'INVALID_CONFIG', message, {
      cause: reason,
    });
  } finally {
    await bucket.delete(key).catch(() => {});
  }
}

/** `If-None-Match: *` is what keeps two writers apart. */
async function requireCreateOnly(bucket: Bucket, key: string): Promise<void> {
  const racers = Array.from({ length: RACERS }, (_, racer) => bucket.put(key, Buffer.from([racer]), null));
  const results = await Promise.allSettled(racers);
  const failed = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined;
  const winners = results.filter(({ status }) => status === 'fulfilled').length;
  if (winners === 0) throw failed?.reason;
  if (winners === 1) return;
  const message =
    'the object store does not keep PUT with If-None-Match from replacing objects, so writers could overwrite each other; serve it without --writable';
  throw new TransferError('INVALID_CONFIG', message);
}

async function putForm(bucket: Bucket, key: string): Promise<Capabilities['putIfMatch']> {
  for (const form of FORMS) {
    if (!(await isRefused(bucket.put(key, Buffer.from('x'), form(NO_VERSION))))) return null;
    const { version } = await bucket.head(key);
    if (!(await isRefused(bucket.put(key, Buffer.from('y'), form(version))))) return form;
  }
  return null;
}

/** There is an object under the key, so neither condition holds. */
async function hasCompleteConditions(multipart: Multipart, key: string): Promise<boolean> {
  const uploadId = await multipart.create(key, 'probe');
  try {
    const parts = [{ etag: await multipart.putPart(key, uploadId, 1, PART, PART_CRC32), crc32: PART_CRC32 }];
    for (const condition of [{ ifNoneMatch: '*' }, { ifMatch: `"${NO_VERSION}"` }] as const) {
      if (!(await isRefused(multipart.complete(key, uploadId, parts, condition)))) return false;
    }
    return true;
  } finally {
    await multipart.abort(key, uploadId).catch(() => {});
  }
}

/** It takes a part with its checksum, and refuses one with another. */
async function verifiesChecksums(multipart: Multipart, key: string): Promise<boolean> {
  let uploadId: string | undefined;
  try {
    uploadId = await multipart.create(key, 'probe');
    await multipart.putPart(key, uploadId, 1, PART, PART_CRC32);
  } catch (reason) {
    // It knows the headers and does not take them.
    if (isNotTaken(reason)) return false;
    throw reason;
  }
  try {
    await multipart.putPart(key, uploadId, 1, PART, crc32(PART, PART_CRC32));
    return false;
  } catch (reason) {
    if (isNotTaken(reason)) return true;
    throw reason;
  } finally {
    await multipart.abort(key, uploadId).catch(() => {});
  }
}

function isNotTaken(reason: unknown): boolean {
  return statusOf(reason) === 400 || statusOf(reason) === 501;
}

/** The condition was broken, or is not known: 501 at Amazon for kinds of buckets. */
async function isRefused(request: Promise<unknown>): Promise<boolean> {
  try {
    await request;
    return false;
  } catch (reason) {
    if (statusOf(reason) === 412) return true;
    if (statusOf(reason) === 501) return false;
    throw reason;
  }
}
