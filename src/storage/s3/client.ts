import type { S3Client } from '@aws-sdk/client-s3';
import { PipelineError, SourceError } from '../../errors.ts';
import { type HttpSettings, resolveSettings } from '../http/settings.ts';
import { CONNECT_MS } from '../http/transport.ts';
import type { S3Options } from './options.ts';

type Client = typeof import('@aws-sdk/client-s3');

export interface S3Library extends Pick<Client, 'GetObjectCommand' | 'HeadObjectCommand' | 'ListObjectsV2Command'> {
  readonly client: S3Client;
  /** An address at which an object can be read for some time without credentials. */
  sign(bucket: string, key: string, seconds: number): Promise<string>;
}

const PACKAGES = '@aws-sdk/client-s3 @aws-sdk/s3-request-presigner';

/**
 * Loads the S3 client, which is no dependency of sluice.
 *
 * @throws PipelineError `MISSING_PACKAGE`, `BAD_OPTION`
 */
export async function loadS3(options: S3Options, settings: HttpSettings): Promise<S3Library> {
  const { retries, stallMs } = resolveSettings(settings);
  const [s3, presigner] = await Promise.all([
    import('@aws-sdk/client-s3'),
    import('@aws-sdk/s3-request-presigner'),
  ]).catch((error: unknown) => {
    throw new PipelineError('s3:// inputs need the S3 client, which is not installed', {
      code: 'MISSING_PACKAGE',
      hint: `npm install ${PACKAGES}`,
      cause: error,
    });
  });
  const { env } = process;
  const endpoint = options.endpoint ?? (env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'] || undefined);
  const region = options.region ?? (env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || undefined);
  const client = new s3.S3Client({
    forcePathStyle: options.pathStyle ?? endpoint !== undefined,
    ...(endpoint === undefined ? {} : { endpoint }),
    // Stores of other makers do not mind, but signatures name one.
    ...(region === undefined && endpoint !== undefined ? { region: 'us-east-1' } : {}),
    ...(region === undefined ? {} : { region }),
    maxAttempts: retries + 1,
    // By itself it waits for ever.
    requestHandler: { connectionTimeout: Math.min(CONNECT_MS, stallMs), socketTimeout: stallMs },
  });
  return {
    client,
    GetObjectCommand: s3.GetObjectCommand,
    HeadObjectCommand: s3.HeadObjectCommand,
    ListObjectsV2Command: s3.ListObjectsV2Command,
    sign: (Bucket, Key, expiresIn) =>
      presigner.getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key }), { expiresIn }),
  };
}

/** What the client throws, as an error that says which object and what to do. */
export function s3Error(location: string, error: unknown): SourceError | PipelineError {
  const { name = 'Error', message = '', $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
  if (/^region is missing/i.test(message)) {
    return new PipelineError(`'${location}' cannot be asked for: no region is configured`, {
      code: 'NO_REGION',
      path: location,
      hint: 'Set AWS_REGION, such as us-east-1; for a store of another maker AWS_ENDPOINT_URL.',
      cause: error,
    });
  }
  const [code, what, hint] = causeOf(location, name, message, $metadata?.httpStatusCode);
  return new SourceError(`'${location}' ${what}`, { code, path: location, hint, cause: error });
}

function causeOf(
  location: string,
  name: string,
  message: string,
  status: number | undefined,
): [string, string, string] {
  // Answers without a body have no name of their own.
  const said = ['Unknown', 'UnknownError', name].includes(message) || message === '' ? name : `${name}: ${message}`;
  if (name === 'NoSuchBucket') {
    const [, bucket = ''] = /^s3:\/\/([^/]*)/i.exec(location) ?? [];
    return [
      'NOT_FOUND',
      `is not there: there is no bucket '${bucket}'`,
      'Check its name, its region and AWS_ENDPOINT_URL.',
    ];
  }
  if (status === 404) {
    return ['NOT_FOUND', 'is not there', 'Check bucket and key. All objects below a folder are s3://bucket/folder/.'];
  }
  if (status === 403) {
    return ['FORBIDDEN', `may not be read (${said})`, 'These credentials may not read or list it, or it is not there.'];
  }
  if (status === 401 || name === 'CredentialsProviderError') {
    const hint = 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile with AWS_PROFILE.';
    return ['NOT_AUTHORISED', `cannot be read: ${said}`, hint];
  }
  const hint = 'Check AWS_ENDPOINT_URL and AWS_REGION, and run again; what is finished is kept.';
  return [name === 'TimeoutError' ? 'STALLED' : 'NETWORK', `cannot be read: ${said}`, hint];
}
