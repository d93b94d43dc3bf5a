/** The load of uploads, the same for every client: N streams of one file over up to eight connections. */
import { dirname } from 'node:path';
import { fillPageCache, takeFreeMemory } from '../harness/page-cache.ts';
import { Load, MAX_CONNECTIONS } from './load.ts';
import { answer, type UploadRequest } from './protocol.ts';

/** One connection of the client under test. */
export interface UploadClient {
  /** Sends a file under a name and reports bytes as far as it knows that the server has them. */
  upload(path: string, name: string, onBytes: (bytes: number) => void): Promise<void>;
}

/** Runs the load, prints the report and ends the process. */
export async function runUploads(
  request: UploadRequest,
  open: (request: UploadRequest) => UploadClient,
): Promise<void> {
  const clients = Array.from({ length: Math.min(request.streams, MAX_CONNECTIONS) }, () => open(request));
  const { path, warmUpPath, warmUpTimes = 1, warmUpSeconds = 0, warmUpTarget } = request;
  const target = warmUpTarget ?? request.target;
  const warming = target === request.target ? clients : clients.map(() => open({ ...request, target }));
  const warmEndMs = performance.now() + warmUpSeconds * 1000;
  let warmUps = 0;
  do {
    await Promise.all(
      warming.map((client, index) => client.upload(warmUpPath, `warm-up-${index}`, () => {})),
    );
    warmUps += 1;
  } while (warmUps < warmUpTimes || performance.now() < warmEndMs);
  // What was replaced two seconds ago has left memory free that is no longer ours; see `fillPageCache`.
  // Not behind a warm-up counted in uploads: filled there, 2 of 14 uploads over distance had a third of the rate.
  if (warmUpSeconds > 0 && warmUps > 1) {
    fillPageCache(dirname(path));
    takeFreeMemory();
  }
  const load = new Load(request, async (stream, onBytes) => {
    const client = clients[stream % clients.length] as UploadClient;
    await client.upload(path, `upload-${stream}`, onBytes);
  });
  answer(await load.measure());
  process.exit(0);
}
