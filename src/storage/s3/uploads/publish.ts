/** Gives the bytes of an upload their name: the small file by one PUT, parts by the completion. */
import { type ErrorCode, TransferError } from '../../../base/errors.ts';
import type { Declared } from '../../content-check.ts';
import { quoteName } from '../../quoted-name.ts';
import type { FileIdentity } from '../../store.ts';
import type { PartReceipt } from '../multipart.ts';
import type { S3UploadContext } from './context.ts';
import { markOf, parseMark } from './marks.ts';
import { unlessMissing } from './ownership.ts';
import { noSha256, type Session } from './session.ts';

/** What an upload has become. */
export interface Published {
  readonly file: FileIdentity;
  /** As far as the object tells. */
  readonly crc32: number | undefined;
}

/** A part is not what the owner had stored, or is not there. */
export const BROKEN_PARTS: ErrorCode = 'WRITE_FAILED';

/** What the upload has become, if it was finished and nothing has replaced the file. Throws errors of the SDK. */
export async function findPublished(
  { bucket, keys }: S3UploadContext,
  { id, name }: Pick<Session, 'id' | 'name'>,
): Promise<Published | undefined> {
  const now = await bucket.head(keys.ofFile(name)).catch(unlessMissing);
  const mark = now === undefined ? undefined : parseMark(now.mark, id);
  if (now === undefined || mark === undefined) return undefined;
  const { modifiedMs, size, version } = now;
  return { file: { name, size, version, modifiedMs }, crc32: mark.crc32 };
}

/** @throws TransferError ALREADY_EXISTS, VERSION_MISMATCH, and what a request may end with */
export async function publishSmall(
  context: S3UploadContext,
  session: Session,
  bytes: Uint8Array,
  crc32: number,
): Promise<Published> {
  const { bucket, checksums, conditions, keys } = context;
  const { condition, id, name } = session;
  return await published(context, session, { size: bytes.length, crc32 }, async () => {
    const ifMatch = await conditions.forPut(name, condition);
    const checksum = checksums ? crc32 : undefined;
    return await bucket.put(keys.ofFile(name), bytes, ifMatch, markOf(id, crc32), checksum);
  });
}

/** @throws TransferError as `publishSmall`; BROKEN_PARTS where the store has others than `parts` */
export async function publishParts(
  context: S3UploadContext,
  session: Session,
  size: number,
  uploadId: string,
  parts: readonly PartReceipt[],
): Promise<Published> {
  const { conditions, keys, multipart } = context;
  const { condition, name } = session;
  return await published(context, session, { size, crc32: undefined }, async () => {
    const asked = await conditions.forComplete(name, condition);
    return await multipart.complete(keys.ofFile(name), uploadId, parts, asked);
  });
}

interface Content {
  readonly size: number;
  readonly crc32: number | undefined;
}

/** A failure may be that of an attempt behind one that succeeded: then the object has our mark, or that of another server. */
async function published(
  context: S3UploadContext,
  session: Session,
  content: Content,
  write: () => Promise<string>,
): Promise<Published> {
  const { conditions, names, now } = context;
  const { condition, name } = session;
  return await names.run(name, async () => {
    try {
      const version = await write();
      const found = await findPublished(context, session).catch(() => undefined);
      // Ceph does not always say the version. Somebody may have replaced the file at once.
      if (found !== undefined && (version === '' || found.file.version === version)) return found;
      return { file: { name, size: content.size, version, modifiedMs: now() }, crc32: content.crc32 };
    } catch (reason) {
      const found = await findPublished(context, session);
      if (found !== undefined) {
        requirePublished(session, found, { ...content, sha256: undefined });
        return found;
      }
      if (isBroken(reason)) throw brokenParts(name, reason);
      throw await conditions.refused(reason, name, condition);
    }
  });
}

/** Throws CONTENT_MISMATCH, UNIMPLEMENTED, where what is declared is not what was `published`, as far as that is known. */
export function requirePublished(session: Session, { crc32, file }: Published, declared: Declared): void {
  if (declared.sha256 !== undefined && file.size > session.partBytes) throw noSha256(session.name);
  const isOther =
    (declared.size !== undefined && declared.size !== file.size) ||
    (declared.crc32 !== undefined && crc32 !== undefined && declared.crc32 !== crc32);
  if (!isOther) return;
  const message = `${quoteName(session.name)} was finished with other content than is declared now; look at what is there`;
  throw new TransferError('CONTENT_MISMATCH', message);
}

function isBroken(reason: unknown): boolean {
  return reason instanceof Error && BROKEN.has(reason.name);
}

const BROKEN: ReadonlySet<string> = new Set([
  'InvalidPart',
  'InvalidPartOrder',
  'EntityTooSmall',
  'NoSuchUpload',
]);

function brokenParts(name: string, cause: unknown): TransferError {
  const message = `parts of ${quoteName(name)} were replaced or removed in the object store; send them again`;
  return new TransferError(BROKEN_PARTS, message, { cause });
}
