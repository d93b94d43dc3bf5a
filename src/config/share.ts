/**
 * What one process of a server with several has of its configuration. What bounds
 * the server as a whole is divided, rounded down: all shares together are at most
 * what is configured.
 */
import type { Config } from './schema.ts';

/** The configuration of one of `config.processes` processes; `config` itself where that is one. */
export function shareOf(config: Config): Config {
  const { limits, pool, processes, s3, slab, uploads } = config;
  if (processes === 1) return config;
  const share = (whole: number) => Math.max(1, Math.floor(whole / processes));
  const shareOrNone = (whole: number) => (whole === 0 ? 0 : share(whole));
  const windowBudget = share(uploads.windowBudget);
  return {
    ...config,
    processes: 1,
    pool: { ...pool, threads: share(pool.threads) },
    slab: { ...slab, count: share(slab.count) },
    uploads: {
      ...uploads,
      windowBudget,
      maxWindow: Math.min(uploads.maxWindow, windowBudget),
      maxTotalSize: shareOrNone(uploads.maxTotalSize),
      maxOpen: share(uploads.maxOpen),
    },
    s3: { ...s3, requests: share(s3.requests) },
    limits: {
      ...limits,
      streams: share(limits.streams),
      uploadStreams: share(limits.uploadStreams),
      calls: share(limits.calls),
      requests: share(limits.requests),
      connections: share(limits.connections),
    },
  };
}
