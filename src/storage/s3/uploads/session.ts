/**
 * The record of an upload: what it was started with, and where its parts begin.
 * It is written once, so every server sees the same.
 */
import { isDeepStrictEqual } from 'node:util';
import { TransferError } from '../../../base/errors.ts';
import { MIB } from '../../../base/units.ts';
import { isUploadId } from '../../../base/upload-id.ts';
import { quoteName } from '../../quoted-name.ts';
import type { UploadSpec, WriteCondition } from '../../upload-store.ts';
import type { Keys } from '../keys.ts';

/** Of a multipart upload. */
const MAX_PARTS = 10_000;

/** Above the 5 MiB that stores want of all parts but the last. Fewer requests than with those; more would be memory. */
export const PART_BYTES = 8 * MIB;

/** Two such parts are a quarter of what all uploads have. */
const MAX_PART_BYTES = 64 * MIB;

export interface Session {
  readonly id: string;
  readonly name: string;
  /** What the client declared; the SHA-256 in hexadecimal. */
  readonly expected: { readonly size?: number; readonly crc32?: number; readonly sha256?: string };
  readonly condition: WriteCondition;
  /** The identity that began it. */
  readonly owner?: string;
  /** Part n, from 0 on, begins at n times this. */
  readonly partBytes: number;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
}

/** Throws TOO_LARGE where the parts that a store takes are not enough. */
export function sessionOf(id: string, spec: UploadSpec, atMs: number, leastPartBytes: number): Session {
  const { condition, expected, name, owner } = spec;
  const { sha256, ...rest } = expected;
  const declared = sha256 === undefined ? rest : { ...rest, sha256: Buffer.from(sha256).toString('hex') };
  const neededBytes = (expected.size ?? 0) / MAX_PARTS;
  const partBytes = neededBytes <= leastPartBytes ? leastPartBytes : Math.ceil(neededBytes / MIB) * MIB;
  const session = { id, name, expected: declared, condition, partBytes, atMs };
  requireParts(session, expected.size ?? 0);
  return owner === undefined ? session : { ...session, owner };
}

/** Whether it was started with this spec. */
export function isSessionOf(session: Session, spec: UploadSpec): boolean {
  // What is undefined is left out of the text.
  const wished = parseSession(
    Buffer.from(textOf(sessionOf(session.id, spec, session.atMs, session.partBytes))),
  );
  return isDeepStrictEqual(wished, session);
}

export function textOf(session: Session): string {
  return JSON.stringify(session);
}

/** Of what `textOf` made. */
export function parseSession(text: Buffer): Session {
  return JSON.parse(text.toString()) as Session;
}

/** Throws TOO_LARGE where a file of `size` bytes has more parts than a store takes. */
export function requireParts({ name, partBytes }: Session, size: number): void {
  if (size <= partBytes * MAX_PARTS && partBytes <= MAX_PART_BYTES) return;
  const limit = Math.min(partBytes, MAX_PART_BYTES) * MAX_PARTS;
  const message = `${quoteName(name)} is larger than the ${limit} bytes that this upload to an object store can have; split it, or declare its size at the start`;
  throw new TransferError('TOO_LARGE', message);
}

/** Parts cannot be read before they are a file. */
export function noSha256(name: string): TransferError {
  const message = `the SHA-256 of ${quoteName(name)} cannot be checked before it gets its name in an object store; declare its CRC-32`;
  return new TransferError('UNIMPLEMENTED', message);
}

/** What the keys of all sessions begin with. */
export function sessionsPrefix({ prefix }: Keys): string {
  return `${prefix}.sluice-uploads/`;
}

/** The key of the record, which those of its ledgers begin with. */
export function sessionKey(keys: Keys, id: string): string {
  return sessionsPrefix(keys) + id;
}

export function ledgerKey(keys: Keys, id: string, epoch: number): string {
  return `${sessionKey(keys, id)}.e${String(epoch).padStart(6, '0')}`;
}

/** What is under a key; without an epoch it is the record. Undefined where it is none of ours. */
export function parseKey(keys: Keys, key: string): { id: string; epoch?: number } | undefined {
  const [id = '', epoch, ...rest] = key.slice(sessionsPrefix(keys).length).split('.');
  if (!isUploadId(id) || rest.length > 0) return undefined;
  if (epoch === undefined) return { id };
  return /^e\d{6}$/.test(epoch) ? { id, epoch: Number(epoch.slice(1)) } : undefined;
}
