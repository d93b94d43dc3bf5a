/** The routes of the admin listener. All of them ask what the gRPC service asks, with the same rights. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, TransferError } from '../../base/errors.ts';
import type { WatchRequest } from '../../wire/admin-messages.ts';
import { presentable } from '../../wire/status.ts';
import type { Admin, Caller } from '../admin.ts';
import type { Metrics } from './metrics.ts';
import { streamSnapshots } from './snapshot-stream.ts';

export interface RouteOptions {
  readonly admin: Admin;
  readonly metrics: Metrics;
  /** Who makes a request. Throws UNAUTHENTICATED. */
  callerOf(request: FastifyRequest['raw']): Caller | Promise<Caller>;
  /** Why the server cannot serve now; null: it can. */
  whyNotReady(): Promise<string | null>;
}

const HTTP_STATUS: Partial<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  READ_ONLY: 403,
  NOT_FOUND: 404,
  UPLOAD_NOT_FOUND: 404,
  RESOURCE_EXHAUSTED: 503,
  UNAVAILABLE: 503,
};

const WATCH_QUERY = {
  type: 'object',
  properties: {
    intervalMs: { type: 'integer' },
    maxTransfers: { type: 'integer' },
    maxUploads: { type: 'integer' },
  },
};

const HISTORY_QUERY = {
  type: 'object',
  properties: { afterMs: { type: 'integer', default: 0 } },
};

/** Ids are short: see `requestIdOf`. */
const ID_PARAMS = {
  type: 'object',
  properties: { id: { type: 'string', minLength: 1, maxLength: 128 } },
};

type Query<Values> = { Querystring: Values };
type Id = { Params: { id: string } };

export function addRoutes(app: FastifyInstance, options: RouteOptions): void {
  const { admin, metrics } = options;
  const caller = (request: FastifyRequest) => options.callerOf(request.raw);

  app.get('/livez', async (_request, reply) => reply.type('text/plain').send('live\n'));
  app.get('/readyz', async (_request, reply) => {
    const why = await options.whyNotReady();
    return reply
      .code(why === null ? 200 : 503)
      .type('text/plain')
      .send(`${why ?? 'ready'}\n`);
  });
  app.get('/metrics', async (request, reply) => {
    admin.require(await caller(request), 'observe');
    return reply.type(metrics.contentType).send(await metrics.text());
  });

  app.get<Query<Partial<WatchRequest>>>(
    '/api/snapshot',
    { schema: { querystring: WATCH_QUERY } },
    async (request) => admin.snapshot(await caller(request), request.query),
  );
  app.get<Query<Partial<WatchRequest>>>(
    '/api/watch',
    { schema: { querystring: WATCH_QUERY } },
    async (request, reply) => {
      streamSnapshots(reply, admin.watch(await caller(request), request.query));
      return reply;
    },
  );
  app.get<Query<{ afterMs: number }>>(
    '/api/history',
    { schema: { querystring: HISTORY_QUERY } },
    async (request) => admin.getHistory(await caller(request), request.query),
  );
  app.get('/api/config', async (request) => admin.getConfig(await caller(request)));

  app.post<Id>('/api/transfers/:id/cancel', { schema: { params: ID_PARAMS } }, async (request) => {
    return await admin.cancelTransfer(await caller(request), request.params);
  });
  app.post<Id>('/api/uploads/:id/discard', { schema: { params: ID_PARAMS } }, async (request) => {
    return await admin.discardUpload(await caller(request), { uploadId: request.params.id });
  });

  app.setNotFoundHandler((_request, reply) => answerWith(reply, 404, 'NOT_FOUND', 'there is nothing here'));
  app.setErrorHandler((reason: Error & { statusCode?: number }, request, reply) => {
    // What fastify itself found wrong with a request.
    if (reason.statusCode !== undefined && reason.statusCode < 500)
      return answerWith(reply, reason.statusCode, 'INVALID_ARGUMENT', reason.message);
    const error = TransferError.from(reason);
    admin.refusedOverHttp(request.method, request.ip, error);
    return answerWith(reply, HTTP_STATUS[error.code] ?? 500, error.code, presentable(error));
  });
}

function answerWith(reply: FastifyReply, httpStatus: number, code: ErrorCode, message: string): FastifyReply {
  if (httpStatus === 401) reply.header('www-authenticate', 'Bearer');
  return reply.code(httpStatus).send({ code, message });
}
