/** What a server tells its peer at the beginning of an Exchange. */
import {
  MAX_EXCHANGE_CREDIT_BYTES,
  MAX_EXCHANGE_REQUESTS,
  MAX_PACK_BYTES,
  MAX_PACK_FILES,
} from '../../base/limits.ts';
import type { ExchangeLimits } from '../../wire/messages.ts';
import type { ServiceContext } from '../context.ts';
import { acceptedCodecs } from '../uploads/upload-fields.ts';

/** The limits of each stream. */
export function exchangeLimits({ chunk }: Pick<ServiceContext, 'chunk'>): ExchangeLimits {
  return {
    maxRequests: MAX_EXCHANGE_REQUESTS,
    maxCredit: MAX_EXCHANGE_CREDIT_BYTES,
    maxPackFiles: MAX_PACK_FILES,
    maxPackSize: Math.min(chunk.maxSize, MAX_PACK_BYTES),
    acceptedCodecs: acceptedCodecs(),
    takesPings: true,
  };
}
