import { Failure } from '../sources/failure.ts';
import { unsafeName } from './memberName.ts';

/** Bytes of a header, and what content is padded to. */
export const TAR_BLOCK = 512;

/** Length of content with its padding. */
export const padded = (size: number): number => Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;

/** What a header, with the extended headers before it, says of a member. */
export interface TarEntry {
  readonly name: string;
  readonly size: number;
  /** Kind in tar-stream's words; null for one that it does not know. */
  readonly type: string | null;
  readonly pax: Readonly<Record<string, string>> | null;
}

/** Old archives mark folders by their names alone. */
export const isFolder = ({ type, name, size }: TarEntry): boolean =>
  type === 'directory' || (type === 'file' && size === 0 && name.endsWith('/'));

/** Why a member is left out; undefined for a regular file with a harmless name. */
export function refusal({ name, type, pax }: TarEntry): Failure | undefined {
  const unsafe = unsafeName(name);
  if (unsafe !== undefined) return unsafe;
  if (Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse.'))) {
    return new Failure('SPARSE_MEMBER', `'${name}' is a sparse file`, 'Pack it again without --sparse.');
  }
  if (type === 'file' || type === 'contiguous-file') return undefined;
  return new Failure(
    'UNSUPPORTED_MEMBER',
    `'${name}' is no regular file but ${type ?? 'of an unknown or sparse type'}`,
  );
}

const READ_BEFORE = 'Copy the file again; the members before were read.';

/** An archive that ends inside a member. */
export const truncatedTar = (cause?: unknown): Failure =>
  new Failure('TRUNCATED', 'the archive ends inside a member', READ_BEFORE, cause);

/** An archive whose end mark, a block of zeros at least, is missing. */
export const endlessTar = (): Failure =>
  new Failure('TRUNCATED', 'the archive has no end mark: members may be missing', READ_BEFORE);

/** A header that is none, in an archive of which so many members were read. */
export const damagedTar = (members: number, what: string, cause?: unknown): Failure =>
  members === 0
    ? new Failure('NOT_TAR', `this is not a tar archive: ${what}`, undefined, cause)
    : new Failure('CORRUPT_ARCHIVE', `the archive is damaged: ${what}`, READ_BEFORE, cause);
