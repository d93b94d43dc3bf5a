/**
 * The server as a process of its own, for what cannot be tried in this one:
 * kill -9, limits of the process. Reads the settings as JSON from its first
 * argument, prints one line with its address, and where it has one that for
 * operators.
 */
import { configSchema } from '../../src/config/schema.ts';
import { SluiceServer } from '../../src/server/server.ts';

const server = new SluiceServer(configSchema.parse(JSON.parse(process.argv[2] ?? '{}')));
const { address } = await server.start();
process.stdout.write(`${address} ${server.adminAddress ?? ''}\n`);
process.once('SIGTERM', () => {
  void server.stop().then(() => process.exit(0));
});
