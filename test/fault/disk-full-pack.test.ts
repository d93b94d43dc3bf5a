/** A pack to a disk that gets full in the middle: what has room is there, whole; the rest can be sent again. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { crc32 } from 'node:zlib';
import { codesOf, writePack } from '../storage/local/uploads/packs/pack-of.ts';
import { openUploads, uploadEntries, visibleFiles } from '../storage/local/uploads/scratch-uploads.ts';
import { cannotMount, smallRoot } from '../support/kill/mounted.ts';
import { startEngine } from '../support/test-engine.ts';
import { KIB, MIB } from '../support/test-server.ts';

/** Twice the room. */
const FILES = Object.fromEntries(
  Array.from({ length: 100 }, (_, at) => [`directory-${at % 3}/file-${at}`, `${at}:`.padEnd(20 * KIB, 'x')]),
);

it('a disk that is full in the middle of a pack fails the files without room, and no others', {
  skip: cannotMount(),
}, async (t) => {
  const root = smallRoot(t, MIB);
  const engine = await startEngine(t, { slabBytes: 4 * MIB });
  const uploads = await openUploads(t, root);
  const write = async (files: Record<string, string>) => {
    const bytes = Buffer.from(Object.values(files).join(''));
    const jobs = engine.writePack({ bytes, codec: 'identity', rawBytes: bytes.length, crc32: crc32(bytes) });
    const codes = codesOf(await writePack(uploads, files, { jobs }));
    jobs.close();
    return Object.fromEntries(Object.keys(files).map((name, at) => [name, codes[at]]));
  };
  const codes = await write(FILES);
  assert.deepEqual(new Set(Object.values(codes)), new Set(['ok', 'DISK_FULL']));
  const there = Object.keys(FILES).filter((name) => codes[name] === 'ok');
  assert.deepEqual(visibleFiles(root), pick(FILES, there));
  assert.deepEqual(uploadEntries(root), []);

  for (const name of there) await uploads.delete(name, { kind: 'any' });
  const rest = Object.keys(FILES)
    .filter((name) => codes[name] !== 'ok')
    .slice(0, there.length);
  assert.deepEqual(new Set(Object.values(await write(pick(FILES, rest)))), new Set(['ok']));
  assert.deepEqual(visibleFiles(root), pick(FILES, rest));
});

function pick(files: Record<string, string>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, files[name] ?? '']));
}
