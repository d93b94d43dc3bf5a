/** Small JSON files that a later process reads. Each is replaced as a whole: after a crash the old or the new one is there. */
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import type { z } from 'zod';
import { checkedJson, type Zod } from '../base/files/checked-json.ts';
import { MAX_RECORD_BYTES } from './limits.ts';

/** Throws system errors, and what is wrong with anything else at `path`. */
export async function readRecord<Record>(
  path: string,
  schema: (zod: Zod) => z.ZodType<Record>,
): Promise<Record> {
  if ((await stat(path)).size > MAX_RECORD_BYTES) throw new Error('it is too large for a record');
  return await checkedJson(await readFile(path, 'utf8'), schema);
}

/** Writes the record to `draft` first. With `flush` it survives a power cut. Throws system errors, and leaves no draft then. */
export async function replaceRecord(
  path: string,
  draft: string,
  record: object,
  options: { mode?: number; flush?: boolean },
): Promise<void> {
  try {
    await writeFile(draft, `${JSON.stringify(record)}\n`, options);
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => {});
    throw cause;
  }
}
