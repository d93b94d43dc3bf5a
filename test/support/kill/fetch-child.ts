/** The client library as a process of its own: fetches a file to a path. */
import { SluiceClient } from '../../../src/client/client.ts';

const [target, name, path] = process.argv.slice(2) as [string, string, string];
const client = new SluiceClient(target, { chunkBytes: 64 * 1024 });
await client.download(name, path);
client.close();
