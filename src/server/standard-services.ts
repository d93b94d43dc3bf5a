/** The services that tools expect of any gRPC server: health, and reflection of everything that is served. */
import type { Server, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import type { HealthImplementation } from 'grpc-health-check';
import type { CallHandler, CallPrelude } from '../service/prelude/call-prelude.ts';
import { SERVICE_NAME } from '../wire/service.ts';
import { FILE_DESCRIPTORS } from './file-descriptors.ts';

/** Returns the health service, which says SERVING until it is told otherwise. */
export async function addStandardServices(grpc: Server, prelude: CallPrelude): Promise<HealthImplementation> {
  // Imported late: it reads a file beside it, which a bundled client lacks.
  const { HealthImplementation } = await import('grpc-health-check');
  const health = new HealthImplementation({ '': 'SERVING', [SERVICE_NAME]: 'SERVING' });
  const host = behind(prelude, grpc);
  health.addToServer(host);
  new ReflectionService(reflected()).addToServer(host);
  return health;
}

/** Wraps `grpc` for a service that adds itself, so that its handlers get the prelude. */
function behind(prelude: CallPrelude, grpc: Server): Server {
  const addService = (service: ServiceDefinition, implementation: UntypedServiceImplementation) => {
    const handlers = Object.entries(service).map(([name, { originalName = name }]) => {
      const handle = (implementation[name] ?? implementation[originalName]) as unknown as Handler;
      const handler: CallHandler = (_admitted, call, respond) => handle.call(implementation, call, respond);
      return [name, handler];
    });
    prelude.serve(grpc, service, Object.fromEntries(handlers), (_name, { requestStream, responseStream }) =>
      requestStream || responseStream ? 'standing' : 'calls',
    );
  };
  return { addService } as unknown as Server;
}

type Handler = (call: unknown, respond: unknown) => void;

/**
 * ReflectionService takes a package definition, and of that only the file
 * descriptors. Those of proto-loader lack JSON names, `optional` and the types
 * of maps; these are those of the .proto files.
 */
function reflected(): PackageDefinition {
  const fileDescriptorProtos = FILE_DESCRIPTORS.map((text) => Buffer.from(text, 'base64'));
  return { all: { fileDescriptorProtos } } as unknown as PackageDefinition;
}
