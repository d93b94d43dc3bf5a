/** The program that several-servers.test.ts watches end: its client has had an answer, and is not closed. */
import { SluiceClient } from '../../../src/client/client.ts';

const client = new SluiceClient(process.argv[2] as string);
await client.getFileSize('a');
process.stdout.write('answered');
