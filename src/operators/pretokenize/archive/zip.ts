import { FileWindow } from '../../../archives/fileWindow.ts';
import { smallContent } from '../../../archives/zipContent.ts';
import { ZipDirectory, type ZipMember } from '../../../archives/zipDirectory.ts';
import { Failure } from '../../../sources/failure.ts';
import { type ArchiveMember, damage, type Members } from './members.ts';
import { memoryFile } from './memoryFile.ts';

/** A ZIP archive in memory. */
export interface ZipArchive {
  /** Files in the order of the directory; folders are left out. @throws Failure where the directory breaks off */
  members(): AsyncGenerator<ZipMember>;
  /** Content of a member, checked against its size and checksum. @throws Failure */
  content(member: ZipMember): Promise<Uint8Array<ArrayBuffer>>;
  /** Bytes behind the archive. */
  readonly trailing: number;
}

/** @throws Failure `DAMAGED_FILE`, `EXPANSION_LIMIT` */
export async function openZip(bytes: Uint8Array<ArrayBuffer>, maxExpansion: number): Promise<ZipArchive> {
  const file = memoryFile(bytes);
  const directory = await ZipDirectory.open(file, maxExpansion).catch(asDamage);
  const { ordered } = await directory.survey();
  const { count, trailing } = directory.entries;
  const window = new FileWindow(file);
  return {
    trailing: trailing === undefined ? 0 : bytes.length - trailing,
    async *members() {
      for await (const member of directory.members(directory.first, count, ordered)) if (!member.folder) yield member;
    },
    content: (member) => smallContent(window, member),
  };
}

function asDamage(error: unknown): never {
  throw error instanceof Failure ? damage(error) : error;
}

/** Hands the members of a ZIP archive on. @throws Failure `DAMAGED_FILE` where none can be had, `TOO_MANY_MEMBERS` */
export async function zipMembers(
  bytes: Uint8Array<ArrayBuffer>,
  maxExpansion: number,
  members: Members,
): Promise<void> {
  const archive = await openZip(bytes, maxExpansion);
  for await (const member of archive.members()) await members.add(asMember(archive, member));
  if (archive.trailing > 0) {
    const what = `${archive.trailing} bytes follow the archive in its file`;
    members.broken(new Failure('TRAILING_DATA', what, 'All members that the archive lists were read.'));
  }
}

const asMember = (archive: ZipArchive, member: ZipMember): ArchiveMember => ({
  name: member.name,
  size: member.size,
  refused: member.refused,
  content: () => archive.content(member),
});
