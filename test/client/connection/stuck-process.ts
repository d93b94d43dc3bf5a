/** The program that close.test.ts watches end although a thread waits for a file that never opens. */
import { open } from 'node:fs';
import { endProcess } from '../../../src/cli/process/process-end.ts';

open(process.argv[2] as string, 'r', () => {});
process.stdout.write('printed');
await endProcess(5);
