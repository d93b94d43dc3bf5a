/** Runs each command line that its parent sends, as `sluice` runs the one of its process. */
import { guardOutput } from '../../src/cli/process/output.ts';
import { runProgram } from '../../src/cli/program.ts';
import { type CommandLine, END_OF_COMMAND } from './command-session.ts';

guardOutput();
process.on('message', (command: CommandLine) => void run(command));

async function run({ args, cwd, env }: CommandLine): Promise<void> {
  process.chdir(cwd);
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, { GRPC_VERBOSITY: 'NONE' }, env);
  const code = await runProgram(args);
  process.stdout.write(END_OF_COMMAND);
  process.stderr.write(END_OF_COMMAND);
  process.send?.(code);
}
