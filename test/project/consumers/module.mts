/** An ES module with "exactOptionalPropertyTypes". */
import {
  type ClientOptions,
  type Config,
  type DownloadOptions,
  type DownloadResult,
  type ErrorCode,
  loadConfig,
  SluiceClient,
  SluiceServer,
  type StreamOptions,
  TransferError,
  type UploadOptions,
  type UploadResult,
} from 'sluice';
import type { SluiceClient as SameClient } from 'sluice/client';

/** What a program may or may not have been given. */
export function run(
  signal: AbortSignal | undefined,
  text: string | undefined,
  count: number | undefined,
): object {
  const clientOptions: ClientOptions = {
    insecure: undefined,
    logger: undefined,
    retry: { attempts: count },
    tls: { serverName: text },
    windowBytes: count,
  };
  const client: SameClient = new SluiceClient('127.0.0.1', clientOptions);
  const range: StreamOptions = { start: count, limit: count, ifMatch: text, signal, onProgress: undefined };
  const down: DownloadOptions = { ...range, overwrite: undefined, end: undefined };
  const up: UploadOptions = {
    signal,
    overwrite: undefined,
    size: count,
    connections: count,
    compression: undefined,
  };
  const { config } = loadConfig({
    env: undefined,
    filePath: text,
    flags: { 'slab.count': count, 'slab.size': '64KiB', writable: true, 'log.format': 'json', root: text },
  });
  const settings: Config = config;
  const server = new SluiceServer(settings, { logger: undefined, zeroCopy: undefined });
  return { client, down, up, server, calls: [client.stat('a', { signal }), client.list('', { signal })] };
}

// @ts-expect-error There is no such setting.
loadConfig({ flags: { rooot: '.' } });
// @ts-expect-error Nor is it text.
loadConfig({ flags: { 'log.format': 'xml' } });
// @ts-expect-error What tests do to a server is not for programs.
export const kill = new SluiceServer(loadConfig().config).killWorkerForTest;

export const fileSize = async (client: SluiceClient): Promise<number> => (await client.stat('a')).size;
export const durations = (down: DownloadResult, up: UploadResult): number => down.durationMs + up.durationMs;
export const code: ErrorCode = new TransferError('DEADLINE_EXCEEDED', '').code;
