#!/usr/bin/env node
/** What `sluice` runs. */
import { runProgram } from './program.ts';

// Not process.exit: what was written to a pipe must still arrive.
process.exitCode = await runProgram(process.argv.slice(2));
