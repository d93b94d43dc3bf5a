/** A child process that is gone with its test, however that ends. */
import type { SpawnOptions } from 'node:child_process';
import { Child } from '../../src/cli/process/child.ts';
import { cleanUpAfter } from './clean-up.ts';

export function startChild(
  t: { after(hook: () => void): void },
  program: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Child {
  const child = new Child(program, program, args, options);
  cleanUpAfter(t, () => child.process.kill('SIGKILL'));
  return child;
}
