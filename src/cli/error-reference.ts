/** docs/errors.md, written from the table of codes, the status map and the exit codes. */
import { status } from '@grpc/grpc-js';
import { ERROR_CODES, type ErrorCode, TransferError } from '../base/errors.ts';
import { statusOf } from '../wire/status.ts';
import { EXIT_CODES, exitCodeOf } from './process/exit-code.ts';

const INTRODUCTION = `# Errors

Generated from \`src/base/errors.ts\`, \`src/wire/status.ts\` and \`src/cli/process/exit-code.ts\` by \`npm run docs:generate\`; do not edit.

A failed call ends with a gRPC status, with the stable code below in the trailer \`sluice-code\` and, where it is known, with the file's present version in \`sluice-version\`. In the library it is a \`TransferError\` with that \`code\` and \`version\`; on the command line it decides the exit code.
`;

/** The whole page. */
export function errorPage(): string {
  const codes = (Object.keys(ERROR_CODES) as ErrorCode[]).map(codeRow);
  const exits = Object.values(EXIT_CODES).map(({ code, meaning }) => `| ${code} | ${meaning} |`);
  return `${INTRODUCTION}
## Codes

| code | gRPC status | exit code | what it means, what to do |
|---|---|---|---|
${codes.join('\n')}

\`LOCAL_IO\`, \`INVALID_CONFIG\` and \`CHECKSUM_MISMATCH\` arise where they are reported and do not normally cross the wire.

## Exit codes

| exit code | meaning |
|---|---|
${exits.join('\n')}

A system call that never returns (a name look-up, a file system that is gone) does not keep a command from ending. Node before 22.15 can then end only by a signal: the shell shows 137 in place of the exit code.
`;
}

function codeRow(code: ErrorCode): string {
  const grpcStatus = status[statusOf(new TransferError(code, '')).code];
  return `| \`${code}\` | ${grpcStatus} | ${exitCodeOf(code)} | ${ERROR_CODES[code]} |`;
}
