/** The services that tools expect of any gRPC server: health, and reflection of everything that is served. */
import type { Server } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import type { HealthImplementation } from 'grpc-health-check';
import { SERVICE_NAME } from '../wire/service.ts';
import { FILE_DESCRIPTORS } from './file-descriptors.ts';

/** Returns the health service, which says SERVING until it is told otherwise. */
export async function addStandardServices(grpc: Server): Promise<HealthImplementation> {
  // Only now: it reads a file beside it when it is loaded, which a bundled client does not have.
  const { HealthImplementation } = await import('grpc-health-check');
  const health = new HealthImplementation({ '': 'SERVING', [SERVICE_NAME]: 'SERVING' });
  health.addToServer(grpc);
  new ReflectionService(reflected()).addToServer(grpc);
  return health;
}

/**
 * ReflectionService takes a package definition, and of that only the file
 * descriptors. Those of proto-loader lack JSON names, `optional` and the types
 * of maps; these are those of the .proto files.
 */
function reflected(): PackageDefinition {
  const fileDescriptorProtos = FILE_DESCRIPTORS.map((text) => Buffer.from(text, 'base64'));
  return { all: { fileDescriptorProtos } } as unknown as PackageDefinition;
}
