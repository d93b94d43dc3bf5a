/**
 * The program that several-servers.test.ts watches end: its client asks until it has answers from as many servers
 * as it is told, a hundred times at most, and is not closed.
 */
import { SluiceClient } from '../../../src/client/client.ts';

const [target = '', servers = '1'] = process.argv.slice(2);
const client = new SluiceClient(target);
const answers = new Set<number>();
for (let asked = 0; asked < 100 && answers.size < Number(servers); asked += 1) {
  answers.add(await client.getFileSize('a'));
}
process.stdout.write([...answers].sort((one, other) => one - other).join());
