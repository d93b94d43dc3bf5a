/** The command line, from its arguments to its exit code. */
import { guardOutput } from './process/output.ts';
import { endProcess } from './process/process-end.ts';
import { runProgram } from './program.ts';

guardOutput();
await endProcess(await runProgram(process.argv.slice(2)));
