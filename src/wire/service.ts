/**
 * The contract for grpc-js. It is compiled in (`contract.ts`), so that a bundle
 * of the client needs no other file.
 */
import {
  loadFileDescriptorSetFromObject,
  type PackageDefinition,
  type ServiceDefinition,
} from '@grpc/proto-loader';
import { TransferError } from '../base/errors.ts';
import { CONTRACT } from './contract.ts';

export const SERVICE_NAME = 'sluice.v1.TransferService';

const ADMIN_SERVICE_NAME = 'sluice.v1.AdminService';

/** Everything that proto/ declares. `int64` fields are numbers; `safeInteger` checks them where they arrive. */
export const packageDefinition: PackageDefinition = loadFileDescriptorSetFromObject(CONTRACT, {
  longs: Number,
  enums: String,
  defaults: true,
});

/** The methods of TransferService, by name. */
export const transferService = packageDefinition[SERVICE_NAME] as ServiceDefinition;

/** The methods of AdminService, by name. */
export const adminService = packageDefinition[ADMIN_SERVICE_NAME] as ServiceDefinition;

/** The error for bytes that are no `request`, a message of the contract such as `StatFileRequest`. */
export function malformedRequest(request: string, cause?: unknown): TransferError {
  return new TransferError(
    'INVALID_ARGUMENT',
    `the request is not a whole, well-formed ${request}; encode it as proto/sluice/v1 says`,
    { cause },
  );
}

/**
 * A service of ours, in which what is no request becomes a TransferError in its
 * place: thrown by the decoder it would end the call with a text of grpc-js.
 */
export function tolerantOf(service: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(service).map(([name, definition]) => {
    const { requestDeserialize } = definition;
    const deserialize = (bytes: Buffer): object => {
      try {
        return requestDeserialize(bytes);
      } catch (cause) {
        return malformedRequest(`${name}Request`, cause);
      }
    };
    return [name, { ...definition, requestDeserialize: deserialize }];
  });
  return Object.fromEntries(methods);
}
