/**
 * The contract, loaded from proto/ at run time: the service definition for
 * grpc-js and the package definition for reflection.
 */
import { fileURLToPath } from 'node:url';
import type { Options, PackageDefinition, ServiceDefinition } from '@grpc/proto-loader';
import { loadSync } from '@grpc/proto-loader';

// Seen from dist/src/wire, in the checkout as in the installed package.
const PROTO_DIR = fileURLToPath(new URL('../../../proto/', import.meta.url));

export const SERVICE_NAME = 'sluice.v1.TransferService';

/** Everything that proto/ declares. `int64` fields are numbers; `safeInteger` checks them where they arrive. */
export const packageDefinition: PackageDefinition = load({ longs: Number, enums: String, defaults: true });

/** The same with the names as they stand in proto/: what reflection shows to other tools. */
export function reflectedDefinition(): PackageDefinition {
  return load({ keepCase: true });
}

function load(options: Options): PackageDefinition {
  return loadSync('sluice/v1/transfer.proto', { includeDirs: [PROTO_DIR], ...options });
}

/** The methods of TransferService, by name. */
export const transferService = packageDefinition[SERVICE_NAME] as ServiceDefinition;
