/**
 * The SDK of AWS, which signs requests and finds credentials. It is an optional
 * dependency and takes half a second to load, so only a server with a bucket
 * loads it.
 */
import type * as Sdk from '@aws-sdk/client-s3';
import { TransferError } from '../../base/errors.ts';

export type S3Sdk = typeof Sdk;

/** How a bucket is reached. */
export interface S3Options {
  readonly bucket: string;
  /** Of the keys that are served, without a '/' at either end. */
  readonly prefix: string;
  /** A URL; empty: that of Amazon. */
  readonly endpoint: string;
  /** Empty: that of the environment or the profile. */
  readonly region: string;
  readonly pathStyle: boolean;
  /** Requests at the same time. */
  readonly requests: number;
  /** A read that is late is asked for a second time. */
  readonly hedge: boolean;
  /** What the store does, as `parseStoreCapabilities` reads it. */
  readonly capabilities: string;
}

/** Where neither the environment nor a profile has one. Stores other than that of Amazon have no regions, but signatures do. */
const REGION_OF_ENDPOINTS = 'us-east-1';

const CONNECT_TIMEOUT_MS = 5_000;

/** Throws INVALID_CONFIG where the SDK is not installed. */
export async function loadSdk(): Promise<S3Sdk> {
  try {
    return await import('@aws-sdk/client-s3');
  } catch (cause) {
    throw new TransferError(
      'INVALID_CONFIG',
      'a root in a bucket needs the package @aws-sdk/client-s3, which is not installed; install sluice without --omit=optional',
      { cause },
    );
  }
}

/** A client that makes each request once: the store retries by itself. Throws INVALID_CONFIG. */
export async function makeClient(sdk: S3Sdk, options: S3Options): Promise<Sdk.S3Client> {
  const client = new sdk.S3Client(clientConfig(options, options.region));
  try {
    await client.config.region();
    return client;
  } catch (cause) {
    client.destroy();
    if (options.endpoint !== '') return new sdk.S3Client(clientConfig(options, REGION_OF_ENDPOINTS));
    const message = `there is no region for s3://${options.bucket}; set s3.region, or s3.endpoint for a store that is not Amazon's`;
    throw new TransferError('INVALID_CONFIG', message, { cause });
  }
}

function clientConfig({ endpoint, pathStyle, requests }: S3Options, region: string): Sdk.S3ClientConfig {
  // The agents never queue: who waits for a request waits where its signal is heard.
  const agent = { keepAlive: true, maxSockets: requests };
  return {
    ...(region === '' ? {} : { region }),
    ...(endpoint === '' ? {} : { endpoint }),
    forcePathStyle: pathStyle,
    maxAttempts: 1,
    // It costs each part a round trip, and six seconds where a proxy does not know it.
    expectContinueHeader: false,
    // The defaults send and want checksums in trailers, which several stores do not understand.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, httpAgent: agent, httpsAgent: agent },
  };
}
