/** The program that kill.test.ts kills: downloads the file `a` of the server to the target, over so many connections. */
import { SluiceClient } from '../../../src/client/client.ts';

const [address, target, connections] = process.argv.slice(2) as [string, string, string];
const client = new SluiceClient(address, { chunkBytes: 1024 * 1024 });
await client.download('a', target, { connections: Number(connections) });
client.close();
