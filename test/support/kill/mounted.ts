/** File systems of a test's own: small, read-only at will, or on a disk whose power can be cut. Need root. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { cleanUpAfter } from '../clean-up.ts';

/** Why no test can mount here; false when it can. */
export function cannotMount(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'mounting needs Linux and root';
  const path = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', path]);
  if (status === 0) spawnSync('umount', [path]);
  rmSync(path, { recursive: true });
  return status === 0 ? false : 'this machine lets even root mount nothing';
}

/** A new, empty directory in a file system in memory, which has room for so many bytes; gone with the test. */
export function smallRoot(t: TestContext, bytes: number): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  run('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path);
  cleanUpAfter(t, () => {
    // Lazily: what still has files open there ends with the test as well.
    spawnSync('umount', ['-l', path]);
    rmSync(path, { recursive: true, force: true });
  });
  const root = join(path, 'root');
  mkdirSync(root);
  return root;
}

export function remount(root: string, options: string): void {
  run('mount', '-o', `remount,${options}`, join(root, '..'));
}

/** A program that must succeed. */
export function run(program: string, ...args: string[]): SpawnSyncReturns<string> {
  const outcome = spawnSync(program, args, { encoding: 'utf8' });
  if (outcome.status === 0) return outcome;
  throw new Error(`${program} ${args.join(' ')} ended with ${outcome.status}: ${outcome.stderr}`);
}
