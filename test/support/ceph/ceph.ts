/**
 * Debian's Ceph on this machine: a monitor, a manager, three OSDs on sparse files
 * and a gateway that speaks S3. All of it is below one temporary directory, on
 * addresses of the loopback interface, and ends with this process.
 */
import { execFile, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Child } from '../../../src/cli/process/child.ts';
import { until } from '../until.ts';

/** What runs, and the Debian package that has it. */
const PROGRAMS: Readonly<Record<string, string>> = {
  'ceph-mon': 'ceph-mon',
  'ceph-mgr': 'ceph-mgr',
  'ceph-osd': 'ceph-osd',
  radosgw: 'radosgw',
  ceph: 'ceph-common',
};

const OSDS = [0, 1, 2];

/** A file system of this size is 3 × sparse: it takes what is written. */
const OSD_BYTES = 16 * 2 ** 30;

const START_LIMIT_MS = 120_000;

/** After its death, an OSD is started again: late enough that all that is under way has to do without it. */
const OSD_RESTART_MS = 30_000;

const run = promisify(execFile);

interface S3Access {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The packages that are missing. */
export function missingPackages(): string[] {
  return Object.entries(PROGRAMS)
    .filter(([program]) => spawnSync(program, ['--version']).status !== 0)
    .map(([, name]) => name);
}

export class Ceph {
  readonly s3: S3Access;
  readonly #folder: string;
  readonly #children: Child[] = [];
  readonly #stop = new AbortController();
  #osdPid = 0;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.s3 = { endpoint: `http://127.0.0.1:${port}`, accessKeyId: 'sluice', secretAccessKey: randomUUID() };
  }

  /** Starts it with its data in `folder`, which is empty. */
  static async start(folder: string): Promise<Ceph> {
    const [monitorPort, gatewayPort] = await freePorts(2);
    const ceph = new Ceph(folder, gatewayPort as number);
    try {
      await ceph.#start(monitorPort as number, gatewayPort as number);
      return ceph;
    } catch (reason) {
      await ceph.stop();
      throw reason;
    }
  }

  /** Of an OSD, which may be killed once. */
  get osdPid(): number {
    return this.#osdPid;
  }

  /** Requests that its gateway has had. */
  async requests(): Promise<number> {
    const socket = join(this.#folder, 'run', 'client.rgw.asok');
    const { stdout } = await run('ceph', ['--admin-daemon', socket, 'perf', 'dump', 'rgw']);
    return (JSON.parse(stdout) as { rgw: { req: number } }).rgw.req;
  }

  /** Ends all of its processes, the last ones first. The data is worth nothing then. */
  async stop(): Promise<void> {
    this.#stop.abort();
    for (const child of this.#children.reverse()) await child.end();
  }

  async #start(monitorPort: number, gatewayPort: number): Promise<void> {
    const monitor = `[v2:127.0.0.1:${monitorPort}]`;
    const fsid = randomUUID();
    for (const name of ['mon', 'mgr', 'run', 'log', ...OSDS.map((id) => `osd.${id}`)]) {
      mkdirSync(join(this.#folder, name));
    }
    writeFileSync(this.#config, configOf(this.#folder, fsid, monitor, gatewayPort));
    const map = join(this.#folder, 'monmap');
    await run('monmaptool', ['--create', '--addv', 'a', monitor, '--fsid', fsid, map]);
    await run('ceph-mon', ['-c', this.#config, '-i', 'a', '--mkfs', '--monmap', map]);
    this.#daemon('ceph-mon', '-i', 'a');
    await this.#ceph('-s');
    this.#daemon('ceph-mgr', '-i', 'x');
    await Promise.all(OSDS.map((id) => this.#startOsd(id)));
    const { accessKeyId, secretAccessKey } = this.s3;
    const user = ['--uid=sluice', '--display-name=sluice', `--access-key=${accessKeyId}`];
    await run('radosgw-admin', [
      '-c',
      this.#config,
      'user',
      'create',
      ...user,
      `--secret=${secretAccessKey}`,
    ]);
    this.#daemon('radosgw', '-n', 'client.rgw');
    await this.#answers();
  }

  async #startOsd(id: number): Promise<void> {
    const uuid = randomUUID();
    await this.#ceph('osd', 'new', uuid, String(id));
    await run('ceph-osd', ['-c', this.#config, '-i', String(id), '--mkfs', '--osd-uuid', uuid]);
    this.#osdPid = this.#runOsd(id).pid;
  }

  #runOsd(id: number): Child {
    const osd = this.#daemon('ceph-osd', '-i', String(id));
    void this.#runAgain(id, osd).catch(() => {});
    return osd;
  }

  async #runAgain(id: number, osd: Child): Promise<void> {
    await osd.ended;
    await delay(OSD_RESTART_MS, undefined, { signal: this.#stop.signal });
    this.#runOsd(id);
  }

  async #answers(): Promise<void> {
    let isThere = false;
    const ask = async (): Promise<void> => {
      while (!isThere) {
        isThere = await fetch(this.s3.endpoint).then(
          ({ ok }) => ok,
          () => false,
        );
        this.#requireAlive();
        if (!isThere) await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    await Promise.race([ask(), until('the gateway answers', () => isThere, { limitMs: START_LIMIT_MS })]);
  }

  #requireAlive(): void {
    const dead = this.#children.find(({ hasEnded }) => hasEnded);
    if (dead !== undefined) throw new Error(`a part of Ceph has ended:\n${dead.stderr}`);
  }

  #daemon(program: string, ...args: string[]): Child {
    const child = new Child(program, program, ['-c', this.#config, ...args, '-f']);
    this.#children.push(child);
    return child;
  }

  async #ceph(...args: string[]): Promise<void> {
    await run('ceph', ['-c', this.#config, '--connect-timeout', '30', ...args]);
  }

  get #config(): string {
    return join(this.#folder, 'ceph.conf');
  }
}

function configOf(folder: string, fsid: string, monitor: string, gatewayPort: number): string {
  return `[global]
fsid = ${fsid}
mon_host = ${monitor}
public_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 3
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
mon_warn_on_pool_no_redundancy = false
mon_data = ${folder}/mon
mgr_data = ${folder}/mgr
osd_data = ${folder}/osd.$id
osd_objectstore = bluestore
bluestore_block_size = ${OSD_BYTES}
bluestore_block_db_create = false
osd_memory_target = 1073741824
run_dir = ${folder}/run
admin_socket = ${folder}/run/$name.asok
log_file = ${folder}/log/$name.log
crash_dir = ${folder}/log
keyring = ${folder}/keyring
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:${gatewayPort} tcp_nodelay=1
rgw_data = ${folder}/run
`;
}

/** Ports that nobody listens on, just now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  return ports;
}
