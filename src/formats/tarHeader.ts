import { pack } from 'tar-stream';

export const TAR_BLOCK = 512;

/** What every member says besides its name and size: no owner, no time. */
export const TAR_FACTS = { mode: 0o644, uid: 0, gid: 0, type: 'file', mtime: new Date(0) } as const;

/** Bytes that a member takes in an archive: header, content, padding. */
export function tarMemberBytes(bytes: number): number {
  return TAR_BLOCK + Math.ceil(bytes / TAR_BLOCK) * TAR_BLOCK;
}

/** Name and size of the member that a header block begins (ustar); undefined for anything else, such as a block of zeros. */
export function parseTarHeader(block: Buffer): { readonly name: string; readonly bytes: number } | undefined {
  const name = /^[\x20-\x7e]+/.exec(block.toString('latin1', 0, 100))?.[0];
  const bytes = /^[0-7]{11}/.exec(block.toString('latin1', 124, 136))?.[0];
  return name === undefined || bytes === undefined ? undefined : { name, bytes: Number.parseInt(bytes, 8) };
}

/** The header block of a member as sluice writes it. */
export async function tarHeader(name: string, bytes: number): Promise<Uint8Array> {
  const archive = pack();
  archive.entry({ ...TAR_FACTS, name, size: bytes });
  const { value } = await (archive as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]().next();
  archive.destroy();
  return value ?? new Uint8Array(0);
}
