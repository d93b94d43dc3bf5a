/** The program that kill.test.ts kills: downloads the file `a` of the server to the target. */
import { SluiceClient } from '../../../src/client/client.ts';

const [address, target] = process.argv.slice(2) as [string, string];
const client = new SluiceClient(address, { chunkBytes: 1024 * 1024 });
await client.download('a', target);
client.close();
