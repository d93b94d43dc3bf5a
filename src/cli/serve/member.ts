/**
 * One of the processes of a server: started by the primary, which says with which
 * configuration, and when to stop. Signals that a terminal or a supervisor sends to
 * the whole group mean the same here.
 */
import { once } from 'node:events';
import { TransferError } from '../../base/errors.ts';
import { shareOf } from '../../config/share.ts';
import { PrimaryLink } from '../../server/processes/link.ts';
import type { FromProcess, ToProcess } from '../../server/processes/messages.ts';
import { countersOf } from '../../server/server.ts';
import { createLog } from '../process/log.ts';
import { endProcess } from '../process/process-end.ts';
import { ownServer } from './own-server.ts';

/** Serves until the primary or a signal says otherwise, and ends the process. */
export async function serveAsMember(): Promise<never> {
  process.send?.({ kind: 'hello' } satisfies FromProcess);
  const [start] = (await once(process, 'message')) as [ToProcess];
  if (start.kind !== 'start') throw new TransferError('INTERNAL', `the primary began with ${start.kind}`);
  const { config, number } = start;
  const primary = new PrimaryLink(number, config);
  const server = ownServer(shareOf(config), createLog(config.log), primary);
  const end = async (isReplaced: boolean) => {
    await (isReplaced ? server.leave() : server.stop());
    await told({ kind: 'ended', counters: countersOf(server).values() });
    await endProcess(0);
  };
  process.on('message', (message: ToProcess) => {
    if (message.kind === 'stop') void end(message.isReplaced);
    if (message.kind !== 'reload') return;
    primary.whole = message.config;
    void server.reload(shareOf(message.config));
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void end(false));
  for (const signal of ['SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => {});
  try {
    const { address } = await server.start();
    primary.tell({ kind: 'ready', address });
  } catch (reason) {
    const { code, message } = TransferError.from(reason);
    await told({ kind: 'failed', code, message });
    await endProcess(1);
  }
  return await new Promise(() => {});
}

/** Resolves once the primary has the message. */
function told(message: FromProcess): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, () => resolve());
  });
}
