/** `sluice serve`: runs the server until it is told to stop. */
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { TransferError } from '../base/errors.ts';
import { bucketRootOf } from '../config/bucket-root.ts';
import { writeDuration } from '../config/notation.ts';
import type { Reloadable } from '../server/reload.ts';
import { SluiceServer } from '../server/server.ts';
import { TRACE_HELP } from './argument.ts';
import { collectLessOften } from './process/heap.ts';
import { Interrupt } from './process/interrupt.ts';
import { createLog, type ProcessLog } from './process/log.ts';
import { registeredOpenTelemetry } from './process/open-telemetry.ts';
import { writeJson, writeLine } from './process/output.ts';
import { addSettingOptions, loadFromCommand } from './setting-options.ts';

const EXAMPLES = `
Examples:
  sluice serve                                  the working directory, for this machine only
  sluice serve /srv/files --listen :50051 --tls-cert cert.pem --tls-key key.pem
  sluice serve /srv/files --listen 10.0.0.7:50051 --insecure
  sluice serve /srv/inbox --writable            also accept uploads and deletes
  sluice serve s3://models/public               a bucket, with the credentials that the AWS tools use
  SLUICE_POOL_THREADS=8 sluice serve --config /etc/sluice.yaml

It prints one line as soon as it accepts calls. After Ctrl-C or SIGTERM, running
transfers get --shutdown-grace to finish, and the exit code is 0; a second signal ends
the server at once. SIGHUP makes it read the configuration and the certificates again; it
says what changed, and what only a restart changes. Every flag is also an environment variable and a key of the
configuration file: docs/configuration.md.`;

interface ServeOptions {
  json?: boolean;
  verbose?: boolean;
}

export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .description('Serve a directory or a bucket, read-only unless --writable.')
    .argument('[dir]', 'the directory, or s3://bucket/prefix; the same as --root')
    .option('--json', 'print the ready line as JSON')
    .option('--trace', TRACE_HELP)
    .action(async (dir: string | undefined, options: ServeOptions) => serve(command, dir, options));
  addSettingOptions(command).addHelpText('after', EXAMPLES);
}

async function serve(command: Command, dir: string | undefined, options: ServeOptions): Promise<void> {
  if (dir !== undefined && command.getOptionValue('root') !== undefined) {
    throw new TransferError('INVALID_CONFIG', 'the directory is given twice; use either [dir] or --root');
  }
  const load = () => loadFromCommand(command, dir === undefined ? {} : { root: dir }).config;
  let config = load();
  const logger = createLog(config.log);
  if (config.writable) collectLessOften();
  const server = new SluiceServer(config, {
    logger,
    openTelemetry: registeredOpenTelemetry(),
    reloads: [levelOf(logger)],
  });
  process.on('SIGHUP', () => {
    try {
      config = load();
    } catch (reason) {
      const problem = TransferError.from(reason).message;
      logger.error({ problem }, 'not reloaded: the configuration; the server goes on with the one it has');
      return;
    }
    void server.reload(config);
  });
  const { address } = await server.start();
  const interrupt = new Interrupt(() => {
    const grace = writeDuration(config.shutdown.grace);
    logger.info({}, `stopping; running transfers get ${grace}, a second signal ends at once`);
  });
  const root = bucketRootOf(config.root) === undefined ? resolve(config.root) : config.root;
  const tls = config.tls.cert !== '';
  if (options.json === true)
    await writeJson({ event: 'ready', address, root, tls, readOnly: !config.writable });
  else
    await writeLine(
      `sluice is ready on ${address}, serving ${root} (${config.writable ? 'writable' : 'read-only'})`,
    );
  if (!interrupt.signal.aborted) await once(interrupt.signal, 'abort');
  await server.stop();
  logger.info({}, 'stopped');
}

function levelOf(logger: ProcessLog): Reloadable {
  return {
    what: 'log level',
    keys: ['log.level'],
    reload: async ({ log }) => {
      logger.setLevel(log.level);
      return null;
    },
  };
}
