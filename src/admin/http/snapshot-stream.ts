/** Snapshots as server-sent events, for as long as the browser listens. */
import type { FastifyReply } from 'fastify';
import type { Watching } from '../admin.ts';
import { ANSWER_HEADERS } from './guards.ts';

/** Sends a snapshot now and after each interval. One that is not read waits alone: the next ones are left out. */
export function streamSnapshots(reply: FastifyReply, watching: Watching): void {
  const stream = reply.hijack().raw;
  stream.writeHead(200, { ...ANSWER_HEADERS, 'content-type': 'text/event-stream' });
  let isAsking = false;
  const send = async () => {
    if (stream.writableNeedDrain || isAsking) return;
    isAsking = true;
    try {
      stream.write(`data: ${JSON.stringify(await watching.snapshot())}\n\n`);
    } catch {
      // What it may not see any more it is told when it asks again.
      stream.end();
    }
    isAsking = false;
  };
  const timer = setInterval(() => void send(), watching.intervalMs).unref();
  stream.once('close', () => {
    clearInterval(timer);
    watching.close();
  });
  stream.on('error', () => {});
  void send();
}
