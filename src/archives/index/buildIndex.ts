import { createHash } from 'node:crypto';
import { compressionOf } from '../../sources/compression.ts';
import { Failure } from '../../sources/failure.ts';
import type { OpenFile } from '../../sources/open-file.ts';
import { isFolder, refusal } from '../tarEntry.ts';
import { tarHeaders } from '../tarHeaders.ts';
import { type TarMember, type TarReport, tarMembers } from '../tarMembers.ts';
import { ZipDirectory } from '../zipDirectory.ts';
import { BlockSpool } from './blockSpool.ts';
import { type Entry, memberName } from './entry.ts';
import type { IndexWriter } from './indexWriter.ts';
import type { ArchiveFacts, ArchiveKind, Damage } from './layout.ts';
import type { PackWriter } from './pack.ts';

/** What an archive's name says of how it is read; undefined for what is no archive. */
export function archiveKind(uri: string): ArchiveKind | undefined {
  if (/\.zip$/i.test(uri)) return 'zip';
  if (!/\.(tar|tar\.gz|tgz|tar\.zst|tzst)$/i.test(uri)) return undefined;
  return compressionOf(uri) === undefined ? 'tar' : 'compressed';
}

/** What is found in an archive, besides what is written of its members. */
export interface Built extends Omit<ArchiveFacts, 'pack' | 'kind'> {
  /** Rows of the blocks of a compressed archive. */
  readonly blocks: Iterable<Buffer>;
}

/**
 * Reads an archive once and writes an entry for each member: of a plain tar its headers, of a ZIP its directory, of a
 * compressed tar all of it.
 *
 * @throws what reading the file throws; an archive that is damaged is a result
 */
export function buildIndex(
  file: OpenFile,
  kind: ArchiveKind,
  maxExpansion: number,
  index: IndexWriter,
  pack: PackWriter,
): Promise<Built> {
  if (kind === 'zip') return ofZip(file, maxExpansion, index);
  return kind === 'tar' ? ofTar(file, index) : ofCompressed(file, maxExpansion, index, pack);
}

/** @throws the failure where it is the file that cannot be read, not what it holds */
function damageOf(failure: Failure, byte: number): Damage {
  if (failure.code === 'UNREADABLE') throw failure;
  return { code: failure.code, message: failure.message, byte };
}

const refusedEntry = (name: string, byte: number, { code, message }: Failure): Entry => ({
  name: memberName(name),
  byte,
  size: 0,
  refused: { code, message },
});

async function ofTar(file: OpenFile, index: IndexWriter): Promise<Built> {
  let damage: Damage | null = null;
  const broken = (failure: Failure, byte: number): void => {
    damage = damageOf(failure, byte);
  };
  for await (const header of tarHeaders(file, broken)) {
    if (isFolder(header)) continue;
    const { name, byte, size } = header;
    const refused = refusal(header);
    await index.add(refused === undefined ? { name: memberName(name), byte, size } : refusedEntry(name, byte, refused));
  }
  return { damage, contentBytes: 0, blocks: [] };
}

async function ofCompressed(
  file: OpenFile,
  maxExpansion: number,
  index: IndexWriter,
  pack: PackWriter,
): Promise<Built> {
  const compression = compressionOf(file.uri) ?? 'gzip';
  const spool = new BlockSpool(pack);
  const chunks = spool.content(file.stream(0, file.size), compression, maxExpansion);
  let damage: Damage | null = null;
  const report: TarReport = {
    refused: (failure, byte, name) => index.add(refusedEntry(name, byte, failure)),
    broken(failure, byte) {
      damage = damageOf(failure, byte);
    },
  };
  async function* entries({ name, byte, size, content }: TarMember): AsyncGenerator<Entry> {
    const hash = createHash('sha256');
    for await (const chunk of content) hash.update(chunk);
    yield { name: memberName(name), byte, size, sha256: hash.digest() };
  }
  for await (const entry of tarMembers(chunks, 0, true, report, entries)) await index.add(entry);
  return { damage, contentBytes: spool.bytes, blocks: spool.rows() };
}

async function ofZip(file: OpenFile, maxExpansion: number, index: IndexWriter): Promise<Built> {
  let damage: Damage | null = null;
  let start = 0;
  try {
    const directory = await ZipDirectory.open(file, maxExpansion);
    start = directory.entries.start;
    const { ordered } = await directory.survey();
    for await (const member of directory.members(directory.first, directory.entries.count, ordered)) {
      if (member.folder) continue;
      const { name, offset, size, refused, rawName, packed, end, crc, method } = member;
      const zip = { rawName, packed, end, crc, method };
      const entry = { name: memberName(name), byte: offset, size, zip };
      await index.add(refused === undefined ? entry : refusedEntry(name, offset, refused));
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    damage = damageOf(error, start);
  }
  return { damage, contentBytes: 0, blocks: [] };
}
