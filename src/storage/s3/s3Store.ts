import picomatch from 'picomatch';
import { SourceError } from '../../errors.ts';
import { changed, type OpenFile } from '../../sources/open-file.ts';
import type { FoundFile } from '../../sources/walk.ts';
import { HttpClient } from '../http/client.ts';
import type { HttpSettings } from '../http/settings.ts';
import { rangeFile } from '../rangeFile.ts';
import type { Store } from '../stores.ts';
import { loadS3, type S3Library, s3Error } from './client.ts';
import type { S3Options } from './options.ts';

/** For how long a signed address is asked for; it may end earlier, with the credentials. */
const SIGNED_SECONDS = 3600;

interface S3Location {
  readonly bucket: string;
  /** Key, prefix that ends in `/`, or pattern. */
  readonly key: string;
}

function parse(location: string): S3Location {
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.*)$/is.exec(location) ?? [];
  if (bucket !== undefined && key !== undefined) return { bucket, key };
  throw new SourceError(`'${location}' is no address of an object`, {
    code: 'BAD_LOCATION',
    path: location,
    hint: 'Give s3://bucket/key, s3://bucket/folder/ for all below it, or a pattern such as s3://bucket/data/*.parquet.',
  });
}

/**
 * Objects of S3 and of stores that speak like it. Listing and signing are done by Amazon's client, with its own ways to
 * find credentials; bytes come through the same range reader as everything else, by signed addresses, and every answer
 * must carry the entity tag and size that the listing had.
 */
class S3Store implements Store {
  readonly #library: S3Library;
  readonly #settings: HttpSettings;
  /** One for each origin that signed addresses lead to: it was configured, wherever it lies. */
  readonly #clients = new Map<string, HttpClient>();

  constructor(library: S3Library, settings: HttpSettings) {
    this.#library = library;
    this.#settings = settings;
  }

  async *list(input: string, signal?: AbortSignal): AsyncGenerator<FoundFile> {
    const { bucket, key } = parse(input);
    const { base, glob, isGlob } = picomatch.scan(key);
    if (!isGlob && !key.endsWith('/') && key !== '') {
      yield await this.#one(input, bucket, key, signal);
      return;
    }
    const prefix = isGlob ? (base === '' ? '' : `${base}/`) : key;
    const matches = isGlob ? picomatch(glob) : () => true;
    for await (const file of this.#below(bucket, prefix, signal)) {
      const name = file.uri.slice(`s3://${bucket}/${prefix}`.length);
      // A key with brackets may be that of an object.
      if (name !== '' && !name.endsWith('/') && (matches(name) || file.uri === input)) yield file;
    }
  }

  async open(file: FoundFile, signal?: AbortSignal): Promise<OpenFile> {
    const { bucket, key } = parse(file.location);
    const sign = (): Promise<string> =>
      this.#library.sign(bucket, key, SIGNED_SECONDS).catch((error: unknown) => {
        throw s3Error(file.location, error);
      });
    let signed = sign();
    const { size, etag, location } = file;
    const range = async function* (this: S3Store, start: number, end: number): AsyncGenerator<Uint8Array> {
      let at = start;
      for (let renewed = false; ; renewed = true) {
        const url = await signed;
        try {
          for await (const chunk of this.#client(url).range({ url, size, etag, ranges: true }, at, end, { signal })) {
            at += chunk.length;
            yield chunk;
          }
          return;
        } catch (error) {
          const code = error instanceof SourceError ? error.code : undefined;
          if (code === 'INPUT_CHANGED') throw changed(location, (error as SourceError).message);
          // The signature has run out, or the credentials that it was made with.
          if (code !== 'FORBIDDEN' || renewed) throw named(error, location);
          signed = sign();
        }
      }
    }.bind(this);
    await signed;
    return rangeFile(file, range);
  }

  async #one(location: string, bucket: string, key: string, signal?: AbortSignal): Promise<FoundFile> {
    const { client, HeadObjectCommand } = this.#library;
    const abort = signal === undefined ? {} : { abortSignal: signal };
    const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), abort).catch((error) => {
      signal?.throwIfAborted();
      throw s3Error(location, error);
    });
    return found(bucket, key, head.ContentLength ?? 0, head.ETag);
  }

  async *#below(bucket: string, prefix: string, signal?: AbortSignal): AsyncGenerator<FoundFile> {
    const { client, ListObjectsV2Command } = this.#library;
    const abort = signal === undefined ? {} : { abortSignal: signal };
    let token: string | undefined;
    do {
      const page = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      const { Contents = [], NextContinuationToken } = await client.send(page, abort).catch((error) => {
        signal?.throwIfAborted();
        throw s3Error(`s3://${bucket}/${prefix}`, error);
      });
      for (const { Key = '', Size = 0, ETag } of Contents) yield found(bucket, Key, Size, ETag);
      token = NextContinuationToken;
    } while (token !== undefined);
  }

  #client(url: string): HttpClient {
    const { origin } = new URL(url);
    const client = this.#clients.get(origin) ?? new HttpClient({ ...this.#settings, endpoints: [origin] });
    this.#clients.set(origin, client);
    return client;
  }
}

function found(bucket: string, key: string, size: number, etag: string | undefined): FoundFile {
  const location = `s3://${bucket}/${key}`;
  return { location, uri: location, size, ...(etag === undefined ? {} : { etag }) };
}

/** The same error, by the object's own address: a signed one means nothing to anybody. */
function named(error: unknown, location: string): unknown {
  if (!(error instanceof SourceError) || error.path === undefined) return error;
  const { code, hint, cause, message } = error;
  return new SourceError(message.replaceAll(error.path, location), { code, path: location, hint, cause });
}

/** @throws PipelineError `MISSING_PACKAGE` where the client is not installed, `BAD_OPTION` */
export async function s3Store(options: S3Options, settings: HttpSettings): Promise<Store> {
  return new S3Store(await loadS3(options, settings), settings);
}
