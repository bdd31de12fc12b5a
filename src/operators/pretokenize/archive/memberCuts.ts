import { Failure } from '../../../sources/failure.ts';
import { magicType } from '../detection/magic.ts';
import { zipType } from '../detection/zipType.ts';
import type { CutContext, CutInput } from '../modality.ts';
import type { Cut } from '../view.ts';
import { arMembers } from './ar.ts';
import { isCompressed, unpack } from './compressed.ts';
import { documentKind } from './documents/kinds.ts';
import { damage, Members } from './members.ts';
import type { ArchiveSettings } from './options.ts';
import { tarMembers } from './tar.ts';
import { zipMembers } from './zip.ts';

const AR = /^application\/(x-unix-archive|x-deb)$/;

/** Members of a document are views of it; what lies in a member that is a record by itself stays one of that. */
export const asViewOfOne = (cut: Cut): Cut => ('code' in cut ? cut : { ...cut, record: cut.record ?? '' });

/** What the members of any archive are cut into. */
export async function memberCuts(
  input: CutInput,
  settings: ArchiveSettings,
  context: CutContext,
): Promise<readonly Cut[]> {
  const members = new Members(context);
  try {
    await addMembers(input, settings, context, members);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (members.count === 0) throw damage(error);
    members.broken(error);
  }
  return members.cuts();
}

async function addMembers(
  input: CutInput,
  { maxExpansion }: ArchiveSettings,
  { budget }: CutContext,
  members: Members,
): Promise<void> {
  const { mediaType } = input;
  // what a process is sent lies in memory of its own
  const bytes = input.bytes as Uint8Array<ArrayBuffer>;
  const told = (broken: Failure | undefined): void => {
    if (broken !== undefined) throw broken;
  };
  const isZip =
    mediaType === 'application/zip' || documentKind(mediaType) !== undefined || zipType(bytes) !== undefined;
  if (isZip) return zipMembers(bytes, maxExpansion, members);
  if (mediaType === 'application/x-tar') return told(await tarMembers(bytes, members, false));
  if (AR.test(mediaType)) return told(await arMembers(bytes, members));
  if (!isCompressed(mediaType)) {
    throw new Failure(
      'UNDECODED',
      `nothing here opens ${mediaType}`,
      'Unpack such archives before, or pack them as ZIP or tar.',
    );
  }
  const { bytes: content, broken } = await unpack(bytes, mediaType, { maxExpansion, budget });
  if (magicType(content, false) === 'application/x-tar') {
    const inside = await tarMembers(content, members, true);
    return told(broken ?? inside);
  }
  told(broken);
  // it is charged again as any member is, which gives it back where it is but a shell
  budget.take(-content.length, 'the content of the stream');
  await members.add({ name: contentName(input), size: content.length, content: () => content });
}

/** What a single compressed file is called: as the record without the ending, else as its gzip header says. */
function contentName({ name, bytes, mediaType }: CutInput): string {
  const base = name.slice(name.lastIndexOf('/') + 1);
  const ending = /\.(gz|zst|bz2|xz|br)$/i.exec(base);
  if (ending !== null && ending.index > 0) return base.slice(0, ending.index);
  const stated = mediaType === 'application/gzip' ? headerName(bytes) : undefined;
  return stated ?? 'content';
}

const HAS_EXTRA = 4;
const HAS_NAME = 8;

/** The file name of a gzip header (RFC 1952), its folders left out. */
function headerName(bytes: Uint8Array): string | undefined {
  const flags = bytes[3] ?? 0;
  if ((flags & HAS_NAME) === 0) return undefined;
  const start = 10 + ((flags & HAS_EXTRA) === 0 ? 0 : 2 + (bytes[10] ?? 0) + 256 * (bytes[11] ?? 0));
  const end = bytes.indexOf(0, start);
  if (end === -1 || end - start > 255) return undefined;
  const stated = Buffer.from(bytes.subarray(start, end)).toString('latin1');
  const base = stated.slice(Math.max(stated.lastIndexOf('/'), stated.lastIndexOf('\\')) + 1);
  return base === '' || base === '.' || base === '..' ? undefined : base;
}
