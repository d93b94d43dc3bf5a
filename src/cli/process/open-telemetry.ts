/** OpenTelemetry for the command line: there where somebody has registered an SDK, as `node --import` does. */
import { createRequire } from 'node:module';
import type { OpenTelemetryApi } from '../../base/tracing.ts';

/** Where all copies of the module meet. */
const REGISTRY = Symbol.for('opentelemetry.js.api.1');

/** Undefined where nothing is registered. Throws when it is, and the module is not installed beside sluice. */
export function registeredOpenTelemetry(): OpenTelemetryApi | undefined {
  if (!(REGISTRY in globalThis)) return undefined;
  return createRequire(import.meta.url)('@opentelemetry/api') as OpenTelemetryApi;
}
