import { SourceError } from '../errors.ts';
import { Failure } from '../sources/failure.ts';
import { shownUrl } from '../storage/http/urls.ts';
import { parseHubLocation } from '../storage/hub/location.ts';
import { schemeOf } from '../storage/location.ts';

/** Where a reference of a row leads. Paths are relative, of plain names, without `.` and `..`. */
export type Reference =
  | {
      readonly kind: 'hub';
      /** `owner/name` */
      readonly repository: string;
      /** Branch, tag or commit; undefined where none is named. */
      readonly revision: string | undefined;
      readonly path: string;
    }
  | { readonly kind: 'web'; readonly url: string }
  | { readonly kind: 'bucket'; readonly bucket: string; readonly url: string }
  | { readonly kind: 'data'; readonly mediaType: string; readonly bytes: Uint8Array }
  | { readonly kind: 'relative'; readonly path: string };

/** A path that is longer names no file of any system. */
const MOST_PATH = 4096;
/** Characters of a reference that messages show. */
const SHOWN = 200;

const DATA = /^data:([^,;]*)((?:;[^,;]*)*),/i;

/**
 * A reference as messages and metadata show it: the content of `data:` is left out, and so is what stands behind `?` in a
 * URL, which is often a signature.
 */
export function shownReference(text: string): string {
  const inline = DATA.exec(text.slice(0, MOST_PATH));
  if (inline !== null) return `data:${inline[1]}`.slice(0, SHOWN);
  const plain = schemeOf(text) === undefined ? text : shownUrl(text);
  return plain.length > SHOWN ? `${plain.slice(0, SHOWN - 1)}…` : plain;
}

/**
 * Understands a reference: `hf://datasets/owner/name[@revision]/path`, `https://` and `http://`, `s3://bucket/key`, `data:` in base64,
 * or else a relative path, which is taken as it is. Nothing is looked up.
 *
 * @param maxBytes Bytes at most that `data:` may hold.
 * @throws Failure `BAD_REFERENCE`, `UNSAFE_REFERENCE`, `REFERENCE_TOO_LARGE`
 */
export function parseReference(text: string, maxBytes: number): Reference {
  if (text === '') throw new Failure('BAD_REFERENCE', 'the reference is empty');
  if (/^data:/i.test(text)) return dataUri(text, maxBytes);
  switch (schemeOf(text)) {
    case undefined:
      return { kind: 'relative', path: safePath(text) };
    case 'hf':
      return hubFile(text);
    case 'http':
    case 'https':
      if (URL.canParse(text)) return { kind: 'web', url: text };
      throw new Failure('BAD_REFERENCE', 'it is no address');
    case 's3': {
      const [, bucket, key] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,62})\/(.+)$/is.exec(text) ?? [];
      if (bucket !== undefined && key !== undefined) return { kind: 'bucket', bucket, url: text };
      throw new Failure('BAD_REFERENCE', 'it names no bucket and key', 'Write s3://bucket/key.');
    }
    case 'file':
      throw new Failure('UNSAFE_REFERENCE', 'it names a file of this machine', 'Give paths relative to the source.');
    default:
      throw new Failure(
        'BAD_REFERENCE',
        `nothing is known of '${schemeOf(text)}://'`,
        'References are relative paths, hf://, https://, s3:// or data:.',
      );
  }
}

/**
 * A relative path without what means nothing (`./`, `//`).
 *
 * @throws Failure `UNSAFE_REFERENCE` where it is absolute or leads upwards, on any system; `BAD_REFERENCE` where it names nothing
 */
export function safePath(text: string): string {
  const tooLong = (): Failure => new Failure('BAD_REFERENCE', `the path is longer than ${MOST_PATH} characters`);
  const unsafe = (why: string): Failure => new Failure('UNSAFE_REFERENCE', `the path ${why}`);
  if (text.length > 4 * MOST_PATH) throw tooLong();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(text)) throw unsafe('holds control characters');
  if (/^[/\\]/.test(text)) throw unsafe('is absolute');
  if (text.split(/[/\\]/).includes('..')) throw unsafe('leads upwards');
  const path = text
    .split('/')
    .filter((name) => name !== '' && name !== '.')
    .join('/');
  if (/^[a-z]:/i.test(path)) throw unsafe('names a drive');
  // To Windows these are separators.
  if (path.split('\\').length > 1 && path.split(/[/\\]/).some((name) => name === '' || name === '.')) {
    throw unsafe('has backslashes that lead elsewhere on Windows');
  }
  if (path === '') throw new Failure('BAD_REFERENCE', 'the path names no file');
  if (path.length > MOST_PATH) throw tooLong();
  return path;
}

function hubFile(text: string): Extract<Reference, { kind: 'hub' }> {
  try {
    const { repository, revision, path } = parseHubLocation(text);
    return { kind: 'hub', repository, revision, path: safePath(path) };
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    throw new Failure(
      'BAD_REFERENCE',
      'it names no file of a dataset',
      error.hint ?? 'Write hf://datasets/owner/name/path.',
    );
  }
}

/**
 * The file of a dataset that an address of the Hub leads to (`.../datasets/owner/name/resolve/revision/path`); undefined where it
 * leads to something else.
 *
 * @param endpoint The Hub's own address.
 * @throws Failure `BAD_REFERENCE`, `UNSAFE_REFERENCE`
 */
export function hubFileAt(url: string, endpoint: string): Extract<Reference, { kind: 'hub' }> | undefined {
  const { origin, pathname } = new URL(url);
  const root = `${endpoint}/datasets/`;
  const address = `${origin}${pathname}`;
  if (!address.startsWith(root)) return undefined;
  const [, repository, revision, path] =
    /^([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(address.slice(root.length)) ?? [];
  if (repository === undefined || path === undefined) return undefined;
  let name: string;
  try {
    name = decodeURIComponent(path);
  } catch {
    throw new Failure('BAD_REFERENCE', 'its path is not coded as in addresses');
  }
  return hubFile(`hf://datasets/${repository}@${revision}/${name}`);
}

function dataUri(text: string, maxBytes: number): Reference {
  const [head, mediaType = '', parameters = ''] = DATA.exec(text.slice(0, MOST_PATH)) ?? [];
  if (head === undefined || !/;base64$/i.test(parameters)) {
    throw new Failure('BAD_REFERENCE', 'its data: is not in base64', 'Write data:image/png;base64,...');
  }
  const characters = text.length - head.length;
  const size = Math.floor((characters * 3) / 4);
  if (size > maxBytes + 2) throw tooLarge(size, maxBytes);
  const encoded = text.slice(head.length);
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) throw new Failure('BAD_REFERENCE', 'its data: is not in base64');
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length > maxBytes) throw tooLarge(bytes.length, maxBytes);
  return { kind: 'data', mediaType, bytes: new Uint8Array(bytes) };
}

/** What is larger than references may be. */
export function tooLarge(size: number, maxBytes: number): Failure {
  return new Failure(
    'REFERENCE_TOO_LARGE',
    `it has ${size} bytes, more than ${maxBytes}`,
    'Set maxReferenceBytes higher if there is memory for it.',
  );
}
