/** What plain TCP moves through a link, source, link and sink in processes of their own. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { startServer } from '../bench/harness/contender.ts';
import { compiledPath } from '../bench/harness/paths.ts';
import { MIB } from '../src/base/units.ts';
import type { LinkOptions } from './link.ts';
import { startLinkProcess } from './link-process.ts';
import { parseEndpoint } from './notation.ts';

const WARM_UP_BYTES = 256 * MIB;

/** A limited link is not kept busy with the warm-up for longer than this. */
const WARM_UP_SECONDS = 0.5;

/** The rate of `bytes` from the request to the last of them, on a connection that was used before. */
export async function measureLinkRate(options: Omit<LinkOptions, 'target'>, bytes: number): Promise<number> {
  const source = await startServer('raw source', process.execPath, [
    compiledPath('link-emulator/raw-source.js'),
  ]);
  try {
    const link = await startLinkProcess({ ...options, target: parseEndpoint(source.target) });
    try {
      const sink = connect({ port: link.port, noDelay: true });
      await once(sink, 'connect');
      await fetchBytes(sink, warmUpBytes(options));
      const startMs = performance.now();
      await fetchBytes(sink, bytes);
      const seconds = (performance.now() - startMs) / 1000;
      sink.destroy();
      return bytes / seconds;
    } finally {
      await link.stop();
    }
  } finally {
    await source.stop();
  }
}

function warmUpBytes({ rateBytesPerSec: rate }: Omit<LinkOptions, 'target'>): number {
  const down = (typeof rate === 'object' ? rate.down : rate) ?? Number.POSITIVE_INFINITY;
  return Math.min(WARM_UP_BYTES, Math.ceil(down * WARM_UP_SECONDS));
}

async function fetchBytes(sink: Socket, bytes: number): Promise<void> {
  const request = Buffer.alloc(8);
  request.writeDoubleBE(bytes);
  sink.write(request);
  let leftBytes = bytes;
  await new Promise<void>((resolve, reject) => {
    const onClose = () => reject(new Error('the link ended the measurement early'));
    sink.once('close', onClose);
    sink.on('data', function take(piece: Buffer) {
      leftBytes -= piece.length;
      if (leftBytes > 0) return;
      sink.off('data', take).off('close', onClose);
      resolve();
    });
  });
}
