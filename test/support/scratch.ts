/** A temporary directory of one test, and what this process holds open below it. */
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export function scratchDirectory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A new, empty directory `name` below a scratch directory of its own. */
export function scratchRoot(t: TestContext, name = 'root'): string {
  const root = join(scratchDirectory(t), name);
  mkdirSync(root);
  return root;
}

/** What the open descriptors of a process mean: paths, `socket:[…]`, `pipe:[…]`. */
export function openDescriptors(pid: number | 'self' = 'self'): string[] {
  const directory = `/proc/${pid}/fd`;
  const targets: string[] = [];
  for (const fd of readdirSync(directory)) {
    try {
      targets.push(readlinkSync(join(directory, fd)));
    } catch {
      // Closed since the directory was read; the descriptor of the directory itself always is.
    }
  }
  return targets;
}

/** The files below `root`, not the root itself, that a process holds open. */
export function openFilesBelow(root: string, pid: number | 'self' = 'self'): string[] {
  return openDescriptors(pid).filter((target) => target.startsWith(`${root}/`));
}
