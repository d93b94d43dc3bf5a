/** Asks for nothing but the limits that the server sends by itself. */
import type { ExchangeLimits } from '../../../wire/messages.ts';
import type { RequestHost } from '../request.ts';
import { SingleRequest } from './single.ts';

/** What one pack may have. */
export interface PackLimits {
  readonly maxFiles: number;
  /** Of content, before compression. */
  readonly maxBytes: number;
}

/** The limits of the server, which does not change them while it runs; opens a stream where there is none. */
export async function packLimits(
  host: RequestHost,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<PackLimits> {
  let known: PackLimits | undefined;
  const request: SingleRequest<true> = new SingleRequest<true>(host, {
    name: 'limits',
    signal: options.signal,
    isPack: true,
    fields: (limits) => {
      const { maxPackFiles, maxPackSize } = limits as ExchangeLimits;
      known = { maxFiles: maxPackFiles, maxBytes: maxPackSize };
      host.settle(request);
      return {};
    },
    read: () => undefined,
    unanswered: true,
  });
  host.submit(request);
  await request.result;
  return known as PackLimits;
}
