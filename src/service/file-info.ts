import { contentTypeOf } from '../base/content-type.ts';
import type { FileIdentity } from '../storage/store.ts';
import type { FileInfo } from '../wire/messages.ts';

/** A file's identity as the wire has it. */
export function fileInfoOf(identity: FileIdentity): FileInfo {
  const { digest, mode, modifiedMs, name, size, version } = identity;
  const info: FileInfo = { name, size, version, modifiedMs, contentType: contentTypeOf(name) };
  if (mode !== undefined) info.mode = mode;
  if (digest !== undefined) info.digest = digest;
  return info;
}
