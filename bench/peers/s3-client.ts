/** A client of the SDK of AWS, for stores other than that of Amazon too. */
import { S3Client } from '@aws-sdk/client-s3';

/** @param requests at the same time */
export function makeS3Client(endpoint: string, requests: number): S3Client {
  const agent = { keepAlive: true, maxSockets: requests };
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { httpAgent: agent, httpsAgent: agent },
  });
}
