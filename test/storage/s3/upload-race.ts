/** Two servers of one bucket, each with a client of its own, and both clients send one and the same upload. */
import assert from 'node:assert/strict';
import { TransferError } from '../../../src/base/errors.ts';
import { newUploadId } from '../../../src/base/upload-id.ts';
import type { FileIdentity } from '../../../src/storage/store.ts';
import { sendTo, type Uploads } from './upload-server.ts';

export interface Race {
  readonly name: string;
  readonly servers: readonly [Uploads, Uploads];
  /** What each client sends: the same, as one client does that came back, or not. Both have one size. */
  readonly contents: readonly [Buffer, Buffer];
  readonly slabBytes?: number;
  /** What is under the name; undefined where nothing is. */
  content(): Promise<Buffer | undefined>;
}

/**
 * Checks that one client's bytes are the file and that only who sent these is told so; where the bytes differ, there
 * may be no file, because both have been told that the whole is not theirs. Resolves with whether there is one.
 */
export async function race({ name, servers, contents, slabBytes, content }: Race): Promise<boolean> {
  const [one, two] = contents;
  const spec = {
    id: newUploadId(),
    name,
    expected: { size: one.length },
    condition: { kind: 'absent' },
  } as const;
  const outcomes = await Promise.allSettled(
    contents.map((bytes, client) => sendTo(() => servers[client] as Uploads, spec, bytes, slabBytes)),
  );
  const stored = await content();
  const files: FileIdentity[] = [];
  for (const [client, outcome] of outcomes.entries()) {
    if (outcome.status === 'rejected') {
      assert.equal(TransferError.from(outcome.reason).code, 'CONTENT_MISMATCH', `${outcome.reason}`);
    } else {
      assert.ok(stored?.equals(contents[client] as Buffer), `${name} has the bytes of client ${client}`);
      files.push(outcome.value);
    }
  }
  assert.equal(stored !== undefined, files.length > 0, `${name} is there where somebody was told so`);
  if (one.equals(two)) assert.equal(files.length, 2, `${name} was finished for both`);
  for (const file of files) assert.deepEqual(file, files[0]);
  if (stored === undefined) await (await servers[0].start(spec)).abort();
  return stored !== undefined;
}
