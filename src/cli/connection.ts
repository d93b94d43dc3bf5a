/**
 * Flags that say how to connect, and the clients made from them: one for each
 * server of a command. Without flags: plaintext to this machine, TLS to others.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { TransferError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { AdminClient } from '../client/admin-client.ts';
import { SluiceClient } from '../client/client.ts';
import type { TokenSource } from '../client/connection/proof.ts';
import { readError } from '../client/local-error.ts';
import type { ClientOptions, TlsOptions } from '../client/options.ts';
import { TOKEN_ENV } from '../config/settings.ts';
import { durationArgument, TRACE_HELP } from './argument.ts';
import { registeredOpenTelemetry } from './process/open-telemetry.ts';
import type { CliTarget } from './target/target.ts';

export interface ConnectionOptions {
  tls?: boolean;
  ca?: string;
  cert?: string;
  key?: string;
  serverName?: string;
  tlsMinVersion?: '1.2' | '1.3';
  insecure?: boolean;
  connectTimeout?: number;
  token?: string;
  tokenFile?: string;
  /** Read before the program starts, see sluice.cts. */
  trace?: boolean;
}

const TLS_FLAGS = ['tls', 'ca', 'cert', 'key', 'serverName', 'tlsMinVersion'] as const;

export function addConnectionOptions(command: Command): Command {
  const group = 'Connection:';
  const options = [
    new Option('--tls', 'use TLS (default for servers on other machines)').conflicts('insecure'),
    new Option('--ca <path>', "PEM file with certificate authorities to trust instead of the system's"),
    new Option('--cert <path>', "PEM file with the client's own certificate, with --key"),
    new Option('--key <path>', "PEM file with the client's private key"),
    new Option(
      '--server-name <name>',
      "name to expect in the server's certificate (default: the host of the target)",
    ),
    new Option('--tls-min-version <version>', 'the lowest version of TLS to accept (default: 1.3)').choices([
      '1.2',
      '1.3',
    ]),
    new Option('--insecure', 'do not use TLS, even to other machines').conflicts([...TLS_FLAGS]),
    new Option(
      '--connect-timeout <duration>',
      'how long one attempt to connect may take (default: 5s)',
    ).argParser(durationArgument),
    new Option(
      '--token <token>',
      `token that proves who you are; other users may see it in the list of processes, so prefer --token-file or ${TOKEN_ENV}`,
    )
      .argParser(hidden)
      .conflicts('tokenFile'),
    new Option('--token-file <path>', 'file with the token; read again for each call'),
    new Option('--trace', TRACE_HELP),
  ];
  for (const option of options) command.addOption(option.helpGroup(group));
  return command;
}

/** The clients of one command, made on first use and closed together. */
export class Connections {
  readonly #options: ConnectionOptions;
  readonly #defaults: ClientOptions;
  readonly #clients = new Map<string, SluiceClient>();
  readonly #adminClients = new Set<AdminClient>();

  /** `defaults` is for options of transfers, such as the chunk size. */
  constructor(options: ConnectionOptions, logger: Logger, defaults: ClientOptions = {}) {
    this.#options = options;
    this.#defaults = {
      ...defaults,
      connectTimeoutMs: options.connectTimeout,
      logger,
      token: tokenOf(options),
      openTelemetry: registeredOpenTelemetry(),
    };
  }

  /** Throws INVALID_CONFIG for what can never work: a malformed server, TLS files that cannot be used. */
  clientFor(target: CliTarget): SluiceClient {
    const key = `${target.transport} ${target.server}`;
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const client = opened((options) => new SluiceClient(target.server, options), this.#optionsFor(target));
    this.#clients.set(key, client);
    return client;
  }

  /** One that sees the server as an operator. Throws INVALID_CONFIG as `clientFor`. */
  adminClientFor(target: CliTarget): AdminClient {
    const client = opened((options) => new AdminClient(target.server, options), this.#optionsFor(target));
    this.#adminClients.add(client);
    return client;
  }

  /** Safe to call twice. */
  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
    for (const client of this.#adminClients) client.close();
    this.#adminClients.clear();
  }

  #optionsFor(target: CliTarget): ClientOptions {
    return { ...this.#defaults, ...transportOf(target, this.#options) };
  }
}

function opened<Client>(open: (options: ClientOptions) => Client, options: ClientOptions): Client {
  try {
    return open(options);
  } catch (reason) {
    const error = TransferError.from(reason);
    if (error.code !== 'INVALID_ARGUMENT') throw error;
    // No call was made yet: for a user of the command line this is wrong usage.
    throw new TransferError('INVALID_CONFIG', error.message, { cause: error });
  }
}

function transportOf({ transport }: CliTarget, options: ConnectionOptions): ClientOptions {
  const insecure = options.insecure === true;
  const wantsTls = TLS_FLAGS.some((flag) => options[flag] !== undefined);
  if (transport === 'tls' && options.insecure === true) throw contradiction('grpcs://', '--insecure');
  if (transport === 'plaintext' && wantsTls) throw contradiction('grpc://', 'flags for TLS');
  if (wantsTls) return { tls: tlsOptions(options) };
  if (transport === 'tls') return { tls: true };
  return transport === 'plaintext' ? { tls: false, insecure } : { insecure };
}

/** Overwrites the arguments as the list of processes shows them. */
function hidden(token: string): string {
  process.title = 'sluice';
  return token;
}

/** The flag, the file, the environment. Throws INVALID_CONFIG for a file without a token. */
function tokenOf({ token, tokenFile }: ConnectionOptions): TokenSource | undefined {
  if (tokenFile === undefined) return token ?? (process.env[TOKEN_ENV] || undefined);
  if (readGiven('--token-file', tokenFile).toString().trim() === '')
    throw new TransferError('INVALID_CONFIG', `--token-file: ${tokenFile} is empty`);
  return async () => (await readFile(tokenFile, 'utf8')).trim();
}

function contradiction(scheme: string, flags: string): TransferError {
  return new TransferError('INVALID_CONFIG', `${scheme} and ${flags} contradict each other`);
}

function tlsOptions({ ca, cert, key, serverName, tlsMinVersion }: ConnectionOptions): TlsOptions {
  if ((cert === undefined) !== (key === undefined)) {
    throw new TransferError('INVALID_CONFIG', '--cert and --key come together');
  }
  return {
    ...(ca === undefined ? {} : { caFile: readable('--ca', ca) }),
    ...(cert === undefined ? {} : { certFile: readable('--cert', cert) }),
    ...(key === undefined ? {} : { keyFile: readable('--key', key) }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(tlsMinVersion === undefined ? {} : { minVersion: tlsMinVersion }),
  };
}

/** The path itself. Throws INVALID_CONFIG, naming the flag, for a file that cannot be read. */
function readable(flag: string, path: string): string {
  readGiven(flag, path);
  return path;
}

function readGiven(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new TransferError('INVALID_CONFIG', `${flag}: ${readError('cannot read', path, cause).message}`, {
      cause,
    });
  }
}
