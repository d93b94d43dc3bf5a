/**
 * Two servers behind a balancer, which runs a configuration of docs/deploy/balancers.md.
 * Every address of the page stands for one of the loopback interface, and its ports are
 * kept, so that the text of the page is all but unchanged.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SluiceClient } from '../../../src/client/client.ts';
import type { ClientOptions } from '../../../src/client/options.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { ServerProcess } from '../../support/server-process.ts';
import { startChild } from '../../support/start-child.ts';
import { type Settings, startServer, testConfig } from '../../support/test-server.ts';
import { within } from '../../support/until.ts';

const PAGE = fileURLToPath(new URL('../../../../docs/deploy/balancers.md', import.meta.url));
const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** In place of the two seconds of the page: until a server is out, tests do nothing but look. */
const CHECK_INTERVAL = '200ms';

/** Headings of the page. */
export const BALANCERS = ['HAProxy, L4', 'HAProxy, L7', 'nginx, L4', 'nginx, L7'] as const;

type BalancerName = (typeof BALANCERS)[number];

/** Why the balancer cannot run here; false when it can. */
export function lacks(name: BalancerName): string | false {
  if (process.platform !== 'linux') return 'needs all addresses of 127.0.0.0/8, as Linux has them';
  if (name.startsWith('HAProxy')) {
    return spawnSync('haproxy', ['-v']).status === 0 ? false : 'there is no haproxy; install it';
  }
  if (spawnSync('nginx', ['-v']).status !== 0) return 'there is no nginx; install nginx-light';
  if (name === 'nginx, L4' && !existsSync(STREAM_MODULE)) {
    return `there is no ${STREAM_MODULE}; install libnginx-mod-stream`;
  }
  return false;
}

export interface Scene {
  /** `host:port` of the balancer. */
  readonly address: string;
  /** A client with a connection of its own. */
  client(options?: ClientOptions): SluiceClient;
  /** What each server counts; an ended one counts nothing. */
  totals(): Promise<Totals[]>;
}

/** A scene whose servers are processes of their own, to be ended by a signal. */
export interface ProcessScene extends Scene {
  readonly servers: readonly [ServerProcess, ServerProcess];
}

interface Totals {
  readonly calls: number;
  readonly sentRawBytes: number;
  /** The methods of its transfers under way. */
  readonly transfers: readonly string[];
}

interface SceneOptions {
  readonly name: BalancerName;
  /** Of each server; one directory or bucket for both, or one for each. */
  readonly roots: readonly [string, string];
  readonly settings?: Settings;
  /** As the table of the page says; otherwise the servers take turns. */
  readonly affinity?: boolean;
  /** In place of the ten minutes of the page. */
  readonly idleTimeout?: string;
}

/** Servers in this process, which start sooner. */
export async function startScene(t: TestContext, options: SceneOptions): Promise<Scene> {
  const block = freeBlock();
  await Promise.all(
    serversOf(block, options).map(({ root, settings }) => startServer(t, settings, { root })),
  );
  return await behindBalancer(t, block, options);
}

/** @param env of both servers, beside this process's own */
export async function startProcessScene(
  t: TestContext,
  options: SceneOptions,
  env: NodeJS.ProcessEnv = {},
): Promise<ProcessScene> {
  const block = freeBlock();
  const servers = await Promise.all(
    serversOf(block, options).map(({ root, settings }) =>
      ServerProcess.start(t, testConfig(root, settings), env),
    ),
  );
  const scene = await behindBalancer(t, block, options);
  return { ...scene, servers: servers as unknown as ProcessScene['servers'] };
}

/** The first three bytes of the addresses of a scene. */
function freeBlock(): string {
  return `127.${randomInt(1, 255)}.${randomInt(256)}`;
}

function serversOf(block: string, { roots, settings = {} }: SceneOptions) {
  return roots.map((root, index) => {
    const host = `${block}.${index + 1}`;
    const at = { listen: `${host}:50051`, admin: { listen: `${host}:50052` } };
    return { root, settings: { ...settings, ...at } };
  });
}

async function behindBalancer(t: TestContext, block: string, options: SceneOptions): Promise<Scene> {
  const { name, affinity = false, idleTimeout = '10m' } = options;
  let config = configOf(name).replaceAll('10.0.0.', `${block}.`);
  config = config.replace(/^( +(?:bind|listen) ):?(?=50443)/m, `$1${block}.10:`);
  config = config.replaceAll('10m', idleTimeout).replace('inter 2s', `inter ${CHECK_INTERVAL}`);
  if (affinity) config = withAffinity(name, config);
  const address = `${block}.10:50443`;
  const child = name.startsWith('HAProxy') ? haproxy(t, config) : nginx(t, name, config);
  await within('the balancer listens', accepts(address, child));
  return {
    address,
    client: (clientOptions) => {
      const retry = { initialBackoffMs: 10 };
      const client = new SluiceClient(address, { ownConnection: true, retry, ...clientOptions });
      t.after(() => client.close());
      return client;
    },
    totals: () => Promise.all([1, 2].map((host) => totalsOf(`${block}.${host}:50052`))),
  };
}

/** The first block of code below the heading. */
function configOf(name: BalancerName): string {
  const [, section = ''] = readFileSync(PAGE, 'utf8').split(`\n## ${name}\n`);
  const [, config] = /^```\w+\n([^`]+)```/m.exec(section) ?? [];
  if (config === undefined) throw new Error(`the page has no configuration for ${name}`);
  return config;
}

function withAffinity(name: BalancerName, config: string): string {
  const [kind = ''] = name.split(',');
  const [, row = ''] = new RegExp(`^\\| ${kind} \\| (.+) \\|$`, 'm').exec(readFileSync(PAGE, 'utf8')) ?? [];
  const [first = '', second = ''] = [...row.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
  return kind === 'nginx'
    ? config.replace(/^upstream .+$/m, `$&\n${first}`)
    : config.replace('balance roundrobin', `${first}\n${second}`);
}

function haproxy(t: TestContext, config: string) {
  const file = join(scratchDirectory(t), 'haproxy.cfg');
  writeFileSync(file, config);
  return startChild(t, 'haproxy', ['-db', '-f', file]);
}

function nginx(t: TestContext, name: BalancerName, config: string) {
  const directory = scratchDirectory(t);
  const file = join(directory, 'nginx.conf');
  const [modules, context] =
    name === 'nginx, L4' ? [`load_module ${STREAM_MODULE};`, 'stream'] : ['', 'http'];
  // One process, which ends as a whole with its signal, and no path that needs root.
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${directory}/${kind};`)
    .join('\n');
  writeFileSync(
    file,
    `${modules}
daemon off;
master_process off;
error_log stderr warn;
pid ${directory}/pid;
events {}
${context} {
access_log off;
${context === 'http' ? temporary : ''}
${config}}
`,
  );
  return startChild(t, 'nginx', ['-p', directory, '-c', file]);
}

async function accepts(address: string, child: ReturnType<typeof startChild>): Promise<void> {
  const [host = '', port] = address.split(':');
  for (;;) {
    if (child.hasEnded) throw new Error(`the balancer has ended: ${child.stderr}`);
    const socket = net.connect(Number(port), host);
    const isOpen = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function totalsOf(admin: string): Promise<Totals> {
  try {
    const { totals, transfers } = (await (await fetch(`http://${admin}/api/snapshot`)).json()) as {
      totals: Omit<Totals, 'transfers'>;
      transfers: { method: string }[];
    };
    return {
      calls: Number(totals.calls),
      sentRawBytes: Number(totals.sentRawBytes),
      transfers: transfers.map(({ method }) => method),
    };
  } catch {
    return { calls: 0, sentRawBytes: 0, transfers: [] };
  }
}
