import { contentTypeOf } from '../base/content-type.ts';
import type { FileIdentity } from '../storage/store.ts';
import type { FileInfo } from '../wire/messages.ts';

/** A file's identity as the wire has it. */
export function fileInfoOf(identity: FileIdentity): FileInfo {
  const { name, size, version, modifiedMs } = identity;
  return { name, size, version, modifiedMs, contentType: contentTypeOf(name) };
}
