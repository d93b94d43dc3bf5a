/** The program that upload-kill.test.ts kills: uploads the source to the file `a` of the server. */
import { SluiceClient } from '../../../src/client/client.ts';

const [address, source] = process.argv.slice(2) as [string, string];
const client = new SluiceClient(address);
await client.upload(source, 'a', { overwrite: true, connections: 2 });
client.close();
