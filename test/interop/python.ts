/** Programs in Python with its grpcio, whose messages they code by hand. */
import { spawnSync } from 'node:child_process';
import { startChild } from '../support/start-child.ts';

/** Debian's, which has python3-grpcio. */
export const PYTHON = '/usr/bin/python3';

/** Why no test can run them here; false when it can. */
export function lacksGrpcio(): string | false {
  const hasGrpcio = spawnSync(PYTHON, ['-c', 'import grpc']).status === 0;
  return hasGrpcio ? false : `${PYTHON} has no module grpc; install python3-grpcio`;
}

/** What the program prints, which is JSON. */
export async function python(
  t: { after(hook: () => void): void },
  program: string,
  args: readonly string[],
): Promise<Record<string, unknown>> {
  const child = startChild(t, PYTHON, ['-c', program, ...args]);
  await child.succeed();
  return JSON.parse(child.stdout);
}
