/** Connections of bare node:http2 that ask one question each, and then nothing until the process is killed. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { bareSizeCall } from '../peers/bare-call.ts';
import { answer, type IdleRequest, parseRequest } from './protocol.ts';

const { target, ca, file, connections } = parseRequest<IdleRequest>();
const ask = bareSizeCall(file);
const options = ca === undefined ? {} : { ca: readFileSync(ca) };

async function open(): Promise<void> {
  const session = connect(`${ca === undefined ? 'http' : 'https'}://${target}`, options);
  session.on('error', (error) => {
    throw error;
  });
  await ask(session);
}

await Promise.all(Array.from({ length: connections }, open));
answer({ event: 'idle' });
