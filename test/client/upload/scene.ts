/** What tests of uploads share: a peer, a client, a file to send, and a state directory of their own. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { SluiceClient } from '../../../src/client/client.ts';
import { SMALL_UPLOAD_BYTES } from '../../../src/client/limits.ts';
import type { ClientOptions } from '../../../src/client/options.ts';
import { CHUNK_BYTES, clientOf, scratchDirectory } from '../fixtures.ts';
import { UploadPeer } from './peer.ts';

/** More than one call's worth, and no whole number of chunks. */
export const LARGE = SMALL_UPLOAD_BYTES + 5 * CHUNK_BYTES + 123;

export interface Scene {
  peer: UploadPeer;
  client: SluiceClient;
  directory: string;
  /** Writes a file of these bytes; returns its path, which is always the same. */
  pathOf(content: Buffer): string;
  /** The records of uploads that a later process could resume. */
  records(): string[];
}

/** The state directory is that of the process: tests of one file run one after another. */
export async function scene(t: TestContext, options: ClientOptions = {}): Promise<Scene> {
  const peer = await UploadPeer.start(t);
  const directory = await scratchDirectory(t);
  const state = join(directory, 'state');
  process.env.XDG_STATE_HOME = state;
  const pathOf = (content: Buffer) => {
    const path = join(directory, 'source');
    writeFileSync(path, content);
    return path;
  };
  const records = () => {
    try {
      return readdirSync(join(state, 'sluice', 'uploads'));
    } catch {
      return [];
    }
  };
  return { peer, client: clientOf(t, peer.address, options), directory, pathOf, records };
}

export function* piecesOf(content: Buffer, pieceBytes: number): Generator<Buffer> {
  for (let at = 0; at < content.byteLength; at += pieceBytes) yield content.subarray(at, at + pieceBytes);
}
