/**
 * The load that all drivers put on a server, the same for every client: N
 * streams of a file over up to eight connections, measured from the first
 * request to the last byte. Only the client below it differs.
 */
import { randomInt } from 'node:crypto';
import {
  countDescriptors,
  readFamilyCpuSeconds,
  readFamilyPeakRssBytes,
  readLoopSeconds,
  readPeakRssBytes,
} from '../harness/proc.ts';
import { answer, type DriverReport, type LoadRequest } from './protocol.ts';

/** Streams share connections beyond this many, as those of one service do. */
export const MAX_CONNECTIONS = 8;

/** One connection of the client under test. */
export interface LoadClient {
  /** Makes the connection. */
  connect(): Promise<void>;
  /** Reads to the end of the file and reports the length of each piece. */
  read(start: number, onBytes: (bytes: number) => void): Promise<void>;
  /** Downloads the whole file and returns its size in bytes. */
  download(path: string, synced: boolean): Promise<number>;
}

/** What one read asks for. */
export function rangeOf({ rangeBytes }: LoadRequest, start: number, size: number) {
  if (rangeBytes === undefined) return { start };
  return { start: randomInt(size - rangeBytes), limit: rangeBytes };
}

/** Runs the load, prints the report and ends the process. */
export async function runLoad(
  request: LoadRequest,
  open: (request: LoadRequest) => LoadClient,
): Promise<void> {
  const { connections = MAX_CONNECTIONS, streams } = request;
  const clients = Array.from({ length: Math.min(streams, connections) }, () => open(request));
  await Promise.all(clients.map((client) => client.connect()));
  if (request.warmUpStart !== undefined) {
    for (const client of clients.slice(0, request.warmUpConnections ?? 1))
      await client.read(request.warmUpStart, () => {});
  }
  if (request.warmUp !== undefined) {
    const { reads, seconds = 0, ...other } = request.warmUp;
    const client = other.target === undefined ? clients[0] : open({ ...request, ...other });
    const endMs = performance.now() + seconds * 1000;
    for (let done = 0; done < reads || performance.now() < endMs; done += 1) {
      await client?.read(request.start, () => {});
    }
  }
  const load = new Load(request, async (stream, onBytes) => {
    await runStream(request, clients[stream % clients.length] as LoadClient, onBytes);
  });
  answer(await load.measure());
  process.exit(0);
}

async function runStream(
  { start, sink, seconds, repeats = 1 }: LoadRequest,
  client: LoadClient,
  onBytes: (bytes: number) => void,
): Promise<void> {
  if (sink.kind === 'file') {
    onBytes(await client.download(sink.path, sink.synced));
    return;
  }
  for (let done = 0; done < repeats || seconds !== undefined; done += 1) await client.read(start, onBytes);
}

/** What to measure, whatever the streams do. */
export interface Measurement {
  /** Whose CPU time and memory to measure. */
  serverPid: number;
  /** Streams at the same time. */
  streams: number;
  /** Ends after this long, in seconds, rather than with the streams. */
  seconds?: number;
  /** What happens before this is not counted, in seconds. */
  skipSeconds?: number;
}

/** Runs one stream to its end and says of each piece that it was moved. */
type RunStream = (stream: number, onBytes: (bytes: number) => void) => Promise<void>;

export class Load {
  readonly #measurement: Measurement;
  readonly #run: RunStream;
  readonly #bytesByStream: number[];
  #streamsWithoutBytes: number;
  #startMs = 0;
  #perStreamBytesPerSec: number[] | undefined;

  constructor(measurement: Measurement, run: RunStream) {
    this.#measurement = measurement;
    this.#run = run;
    this.#bytesByStream = new Array<number>(measurement.streams).fill(0);
    this.#streamsWithoutBytes = measurement.streams;
  }

  /** Runs all streams at once; rejects when one of them fails. */
  async measure(): Promise<DriverReport> {
    const { serverPid } = this.#measurement;
    const serverCpuBefore = readFamilyCpuSeconds(serverPid);
    const loopBefore = { server: readLoopSeconds(serverPid), client: readLoopSeconds(process.pid) };
    const clientCpuBefore = process.cpuUsage();
    this.#startMs = performance.now();
    await this.#runAll();
    const seconds = this.#elapsedSeconds();
    const clientCpu = process.cpuUsage(clientCpuBefore);
    this.#compareStreams();
    return {
      event: 'report',
      bytes: this.#bytesByStream.reduce((sum, bytes) => sum + bytes, 0),
      seconds,
      clientCpuSeconds: (clientCpu.user + clientCpu.system) / 1e6,
      clientLoopSeconds: readLoopSeconds(process.pid) - loopBefore.client,
      serverCpuSeconds: readFamilyCpuSeconds(serverPid) - serverCpuBefore,
      serverLoopSeconds: readLoopSeconds(serverPid) - loopBefore.server,
      serverDescriptors: countDescriptors(serverPid),
      serverPeakRssBytes: readFamilyPeakRssBytes(serverPid),
      clientPeakRssBytes: readPeakRssBytes(process.pid),
      perStreamBytesPerSec: this.#perStreamBytesPerSec ?? [],
    };
  }

  async #runAll(): Promise<void> {
    const { skipSeconds = 0, streams, seconds } = this.#measurement;
    const all = Promise.all(Array.from({ length: streams }, (_, stream) => this.#runStream(stream)));
    if (seconds === undefined) {
      await all;
      return;
    }
    if (skipSeconds > 0) setTimeout(() => this.#startOver(), skipSeconds * 1000);
    const timeIsUp = new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    await Promise.race([all, timeIsUp]);
  }

  async #runStream(stream: number): Promise<void> {
    await this.#run(stream, (bytes) => this.#count(stream, bytes));
    this.#compareStreams();
  }

  #count(stream: number, bytes: number): void {
    const before = this.#bytesByStream[stream] as number;
    this.#bytesByStream[stream] = before + bytes;
    if (before > 0 || bytes === 0) return;
    this.#streamsWithoutBytes -= 1;
    if (this.#streamsWithoutBytes === 0) answer({ event: 'started' });
  }

  /** Forgets the bytes and the time until now. */
  #startOver(): void {
    this.#startMs = performance.now();
    this.#bytesByStream.fill(0);
  }

  /** Takes the rates once: when the first stream ends, or else the time. */
  #compareStreams(): void {
    const seconds = this.#elapsedSeconds();
    this.#perStreamBytesPerSec ??= this.#bytesByStream.map((bytes) => bytes / seconds);
  }

  #elapsedSeconds(): number {
    return (performance.now() - this.#startMs) / 1000;
  }
}
