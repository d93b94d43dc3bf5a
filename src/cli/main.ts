/** The command line, from its arguments to its exit code. */
import { guardOutput } from './output.ts';
import { runProgram } from './program.ts';

guardOutput(process.stdout);
// Not process.exit: what was written to a pipe must still arrive.
process.exitCode = await runProgram(process.argv.slice(2));
