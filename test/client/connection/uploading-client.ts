/** The program whose uploads several-servers.test.ts looks for: each name with itself as its content, all at once. */
import { SluiceClient } from '../../../src/client/client.ts';

const [target = '', ...names] = process.argv.slice(2);
const client = new SluiceClient(target);
await Promise.all(names.map(async (name) => await client.upload(Buffer.from(name), name)));
client.close();
