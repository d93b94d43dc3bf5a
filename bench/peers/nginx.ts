/**
 * nginx with sendfile over HTTP/1.1, read by curl: what the kernel can do when
 * no gRPC is in the way. A reference, not a competitor.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../../src/cli/process/child.ts';
import type { LoadReport } from '../drivers/protocol.ts';
import { type Contender, LOAD_TIMEOUT_MS, type LoadPlan, type Server } from '../harness/contender.ts';
import { findFreePort } from '../harness/ports.ts';
import { readCpuSeconds, readPeakRssBytes } from '../harness/proc.ts';
import { findProgram } from '../harness/programs.ts';

const START_ATTEMPTS = 100;
const START_INTERVAL_MS = 50;

/** curl's own limit is 300 connections. */
const PARALLEL = ['--parallel', '--parallel-immediate', '--parallel-max', '256'];

export async function prepareNginx(workDirectory: string): Promise<Contender | string> {
  const nginx = findProgram('nginx');
  if (nginx === undefined) return 'nginx is not installed (Debian: nginx-light)';
  if (findProgram('curl') === undefined) return 'curl is not installed';
  return { name: 'nginx', start: (directory) => startNginx(nginx, workDirectory, directory), load };
}

/** One process without a master, so that its CPU time and memory are those of one pid. */
function configuration(port: number, workDirectory: string, directory: string): string {
  return `
    daemon off;
    master_process off;
    pid ${workDirectory}/nginx.pid;
    error_log stderr warn;
    events { worker_connections 1024; }
    http {
      access_log off;
      sendfile on;
      tcp_nopush on;
      client_body_temp_path ${workDirectory}/nginx-body;
      proxy_temp_path ${workDirectory}/nginx-proxy;
      fastcgi_temp_path ${workDirectory}/nginx-fastcgi;
      uwsgi_temp_path ${workDirectory}/nginx-uwsgi;
      scgi_temp_path ${workDirectory}/nginx-scgi;
      server { listen 127.0.0.1:${port}; root ${directory}; }
    }`;
}

async function startNginx(nginx: string, workDirectory: string, directory: string): Promise<Server> {
  const port = await findFreePort();
  const path = join(workDirectory, 'nginx.conf');
  await writeFile(path, configuration(port, workDirectory, directory));
  const child = new Child('nginx', nginx, ['-c', path, '-p', workDirectory]);
  const target = `127.0.0.1:${port}`;
  await waitUntilServing(child, target);
  return { target, pid: child.pid, stop: () => child.end() };
}

/** nginx prints nothing when it is ready. */
async function waitUntilServing(child: Child, target: string): Promise<void> {
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt += 1) {
    try {
      await fetch(`http://${target}/`);
      return;
    } catch {
      await sleep(START_INTERVAL_MS);
    }
  }
  await child.end();
  throw new Error('nginx does not start');
}

/**
 * All streams in one curl process, as all streams of other clients are in one. Before one stream come its warm-up
 * reads, over the connection that is measured.
 */
async function load(server: Server, plan: LoadPlan): Promise<LoadReport> {
  const { streams = 1, start = 0, file, warmUp } = plan;
  const transfers = streams + (warmUp?.reads ?? 0);
  const serverCpuBefore = readCpuSeconds(server.pid);
  const startMs = performance.now();
  const curl = new Child('curl', 'curl', [
    '-sS',
    '-r',
    `${start}-`,
    '-w',
    '%{size_download} %{time_total}\\n',
    ...(streams === 1 ? [] : PARALLEL),
    ...Array.from({ length: transfers }, () => ['-o', '/dev/null', `http://${server.target}/${file}`]).flat(),
  ]);
  await curl.succeed(LOAD_TIMEOUT_MS);
  const seconds = (performance.now() - startMs) / 1000;
  const lines = curl.stdout.trimEnd().split('\n');
  const results = lines.map((line) => line.split(' ').map(Number) as [bytes: number, seconds: number]);
  const measured = results.slice(-streams);
  return {
    event: 'report',
    bytes: measured.reduce((sum, [bytes]) => sum + bytes, 0),
    seconds: streams === 1 ? (measured[0]?.[1] ?? seconds) : seconds,
    clientCpuSeconds: Number.NaN,
    serverCpuSeconds: ((readCpuSeconds(server.pid) - serverCpuBefore) * streams) / transfers,
    serverPeakRssBytes: readPeakRssBytes(server.pid),
    clientPeakRssBytes: Number.NaN,
    perStreamBytesPerSec: [], // curl does not say what each had at the same moment
  };
}
