/** The same contract served by grpc-go, built from `grpc-go/main.go` with Debian's packages, read by the tuned stock client. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../../src/cli/process/child.ts';
import { type Contender, driverContender, startServer } from '../harness/contender.ts';
import { repositoryPath } from '../harness/paths.ts';
import { findProgram } from '../harness/programs.ts';

/** Where Debian installs the sources of Go packages. */
const GO_PATH = '/usr/share/gocode';
const BUILD_TIMEOUT_MS = 300_000;

export async function prepareGrpcGo(workDirectory: string): Promise<Contender | string> {
  const go = findProgram('go');
  if (go === undefined) return 'go is not installed (Debian: golang-go)';
  if (!existsSync(join(GO_PATH, 'src/google.golang.org/grpc'))) {
    return 'grpc-go is not installed (Debian: golang-google-grpc-dev)';
  }
  const program = join(workDirectory, 'grpc-go-server');
  const env = { ...process.env, GO111MODULE: 'off', GOPATH: GO_PATH };
  const source = repositoryPath('bench/peers/grpc-go/main.go');
  await new Child('go build', go, ['build', '-o', program, source], { env }).succeed(BUILD_TIMEOUT_MS);
  const start = (directory: string) => startServer('grpc-go', program, [directory]);
  return driverContender('grpc-go', start, 'stock-driver', 'tuned');
}
