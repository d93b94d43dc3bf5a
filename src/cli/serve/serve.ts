/** `sluice serve`: runs the server until it is told to stop, as one process or as several. */
import cluster from 'node:cluster';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { TransferError } from '../../base/errors.ts';
import { bucketRootOf } from '../../config/bucket-root.ts';
import { writeDuration } from '../../config/notation.ts';
import type { Config } from '../../config/schema.ts';
import { TRACE_HELP } from '../argument.ts';
import { Interrupt } from '../process/interrupt.ts';
import { createLog, type ProcessLog } from '../process/log.ts';
import { writeJson, writeLine } from '../process/output.ts';
import { addSettingOptions, loadFromCommand } from '../setting-options.ts';

const EXAMPLES = `
Examples:
  sluice serve                                  the working directory, for this machine only
  sluice serve /srv/files --listen :50051 --tls-cert cert.pem --tls-key key.pem
  sluice serve /srv/files --listen 10.0.0.7:50051 --insecure
  sluice serve /srv/inbox --writable            also accept uploads and deletes
  sluice serve /srv/files --processes auto      a process for each processor, on one port
  sluice serve s3://models/public               a bucket, with the credentials that the AWS tools use
  SLUICE_POOL_THREADS=8 sluice serve --config /etc/sluice.yaml

It prints one line as soon as it accepts calls. After Ctrl-C or SIGTERM, running
transfers get --shutdown-grace to finish, and the exit code is 0; a second signal ends
the server at once. SIGHUP makes it read the configuration and the certificates again; it
says what changed, and what only a restart changes. With --processes, settings that a
process has from its start take new processes, one after the other, and SIGUSR2 makes
new ones of all. Every flag is also an environment variable and a key of the
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

/** What serves: a server in this process, or the primary of several. */
export interface Serving {
  /** Resolves once calls are accepted. */
  start(): Promise<{ address: string }>;
  reload(config: Config): Promise<void>;
  /** Makes new processes of all, where there are several. */
  restart?(): Promise<void>;
  stop(): Promise<void>;
}

async function serve(command: Command, dir: string | undefined, options: ServeOptions): Promise<void> {
  if (cluster.isWorker) {
    await (await import('./member.ts')).serveAsMember();
    return;
  }
  if (dir !== undefined && command.getOptionValue('root') !== undefined) {
    throw new TransferError('INVALID_CONFIG', 'the directory is given twice; use either [dir] or --root');
  }
  const load = () => loadFromCommand(command, dir === undefined ? {} : { root: dir }).config;
  let config = load();
  const logger = createLog(config.log);
  const serving = await servingOf(config, logger);
  process.on('SIGHUP', () => {
    try {
      config = load();
    } catch (reason) {
      const problem = TransferError.from(reason).message;
      logger.error({ problem }, 'not reloaded: the configuration; the server goes on with the one it has');
      return;
    }
    void serving.reload(config);
  });
  if (serving.restart !== undefined) process.on('SIGUSR2', () => void serving.restart?.());
  const { address } = await serving.start();
  const interrupt = new Interrupt(() => {
    const grace = writeDuration(config.shutdown.grace);
    logger.info({}, `stopping; running transfers get ${grace}, a second signal ends at once`);
  });
  await sayReady(config, address, options.json === true);
  if (!interrupt.signal.aborted) await once(interrupt.signal, 'abort');
  await serving.stop();
  logger.info({}, 'stopped');
}

/** The code of the other one is not loaded. */
async function servingOf(config: Config, logger: ProcessLog): Promise<Serving> {
  if (config.processes === 1) return (await import('./own-server.ts')).ownServer(config, logger);
  return (await import('./primary.ts')).primaryOf(config, logger);
}

async function sayReady(config: Config, address: string, isJson: boolean): Promise<void> {
  const { processes, writable } = config;
  const root = bucketRootOf(config.root) === undefined ? resolve(config.root) : config.root;
  const tls = config.tls.cert !== '';
  if (isJson) {
    const more = processes > 1 ? { processes } : {};
    await writeJson({ event: 'ready', address, root, tls, readOnly: !writable, ...more });
    return;
  }
  const how = [writable ? 'writable' : 'read-only', ...(processes > 1 ? [`${processes} processes`] : [])];
  await writeLine(`sluice is ready on ${address}, serving ${root} (${how.join(', ')})`);
}
