/** AdminService on the gRPC port, behind the prelude as every service is. */
import type { Server, ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { TransferError } from '../base/errors.ts';
import type { AdmittedCall } from '../service/prelude/admitted-call.ts';
import type { CallHandler, CallPrelude } from '../service/prelude/call-prelude.ts';
import type { WatchRequest, WatchResponse } from '../wire/admin-messages.ts';
import { adminService, tolerantOf } from '../wire/service.ts';
import { statusOf } from '../wire/status.ts';
import type { Admin, Caller } from './admin.ts';
import { isLocalPeer } from './rights.ts';

type WatchCall = ServerWritableStream<WatchRequest, WatchResponse>;

/** Adds AdminService to `server`. */
export function bindAdminService(server: Server, prelude: CallPrelude, admin: Admin): void {
  const isUnix = admin.observed.config.listen.startsWith('unix:');
  const callerOf = ({ address, identity, peer, requestId }: AdmittedCall): Caller => ({
    identity,
    peer,
    requestId,
    isLocal: isLocalPeer(address, isUnix),
  });
  const unary = <Request, Response>(
    handle: (caller: Caller, request: Request) => Response | Promise<Response>,
  ) =>
    ((
      admitted: AdmittedCall,
      { request }: ServerUnaryCall<Request, Response>,
      respond: sendUnaryData<Response>,
    ) => {
      admitted.hold();
      answered(admitted, respond, async () => await handle(callerOf(admitted), whole(request)));
    }) as CallHandler;
  const handlers: Record<string, CallHandler> = {
    Watch: (admitted, call: WatchCall) => watch(admin, callerOf(admitted), admitted, call),
    GetHistory: unary((caller, request: Parameters<Admin['getHistory']>[1]) =>
      admin.getHistory(caller, request),
    ),
    GetConfig: unary((caller) => admin.getConfig(caller)),
    CancelTransfer: unary((caller, request: Parameters<Admin['cancelTransfer']>[1]) =>
      admin.cancelTransfer(caller, request),
    ),
    DiscardUpload: unary((caller, request: Parameters<Admin['discardUpload']>[1]) =>
      admin.discardUpload(caller, request),
    ),
  };
  prelude.serve(server, tolerantOf(adminService), handlers, (_name, { responseStream }) =>
    responseStream ? 'standing' : 'calls',
  );
}

/** Never rejects. */
function answered<Response>(
  admitted: AdmittedCall,
  respond: sendUnaryData<Response>,
  work: () => Promise<Response>,
): void {
  work().then(
    (response) => {
      respond(null, response);
      admitted.ended();
    },
    (reason: unknown) => respond(statusOf(admitted.failed(reason))),
  );
}

/** One snapshot waits for its reader at most. */
function watch(admin: Admin, caller: Caller, admitted: AdmittedCall, call: WatchCall): void {
  const fail = (reason: unknown) => {
    admitted.hold();
    call.emit('error', statusOf(admitted.failed(reason)));
  };
  try {
    const watching = admin.watch(caller, whole(call.request));
    let isReadOn = true;
    let isAsking = false;
    let isOver = false;
    const end = () => {
      isOver = true;
      clearInterval(timer);
      watching.close();
    };
    const send = async () => {
      if (!isReadOn || isAsking) return;
      isAsking = true;
      try {
        const snapshot = await watching.snapshot();
        if (!isOver) isReadOn = call.write(snapshot);
      } catch (reason) {
        if (!isOver) fail(reason);
        end();
      }
      isAsking = false;
    };
    call.on('drain', () => {
      isReadOn = true;
    });
    const timer = setInterval(() => void send(), watching.intervalMs).unref();
    void send();
    admitted.onClose(end);
  } catch (reason) {
    fail(reason);
  }
}

/** The request itself; throws what stands in place of one that was none. */
function whole<Request>(request: Request): Request {
  if (request instanceof TransferError) throw request;
  return request;
}
