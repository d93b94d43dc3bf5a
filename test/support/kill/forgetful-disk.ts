/**
 * Loaded into a server process before anything else, this leaves out the syncs
 * that SLUICE_TEST_FORGETS names: a power cut must then be seen to lose something,
 * or the test of power cuts sees nothing.
 */
import { readlinkSync } from 'node:fs';
import { nodeFileSystem } from '../../../src/storage/local/uploads/disk/file-system.ts';

export type Forgotten = 'data' | 'directories';

const forgotten = process.env.SLUICE_TEST_FORGETS as Forgotten | undefined;
const { fdatasync, fsync } = nodeFileSystem;

nodeFileSystem.fdatasync = async (fd) => {
  if (forgotten !== 'data' || !readlinkSync(`/proc/self/fd/${fd}`).endsWith('.part')) await fdatasync(fd);
};
nodeFileSystem.fsync = async (fd) => {
  if (forgotten !== 'directories') await fsync(fd);
};
