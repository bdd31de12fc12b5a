/** A member of a tar archive as its header tells of it. */
export interface TarMember {
  readonly name: string;
  readonly content: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly type: string;
  /** Everything else in the header that is not zero: magic, version, names of owners, devices. */
  readonly rest: string;
  readonly offset: number;
}

const octal = (block: Buffer, from: number, to: number): number => {
  const text = block.toString('latin1', from, to);
  if (!/^[0-7]+[ \0]*$/.test(text)) throw new Error(`${JSON.stringify(text)} is no octal number`);
  return Number.parseInt(text, 8);
};
const text = (block: Buffer, from: number, to: number): string =>
  block.toString('latin1', from, to).replace(/\0.*$/s, '');

/** Reads a plain ustar archive by the format's description alone: every block must be accounted for. */
export function untar(tar: Buffer): TarMember[] {
  const members: TarMember[] = [];
  let at = 0;
  for (; tar.subarray(at, at + 512).some((byte) => byte !== 0); ) {
    const block = tar.subarray(at, at + 512);
    const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
    if (octal(block, 148, 156) !== sum) throw new Error(`a header with another checksum at ${at}`);
    if (block.toString('latin1', 257, 265) !== 'ustar\0' + '00') throw new Error(`no ustar header at ${at}`);
    const bytes = octal(block, 124, 136);
    const end = at + 512 + Math.ceil(bytes / 512) * 512;
    if (end > tar.length) throw new Error(`the archive ends within the member at ${at}`);
    if (tar.subarray(at + 512 + bytes, end).some((byte) => byte !== 0))
      throw new Error(`padding that is not zero at ${at}`);
    members.push({
      name: text(block, 0, 100),
      content: tar.subarray(at + 512, at + 512 + bytes),
      mode: octal(block, 100, 108),
      uid: octal(block, 108, 116),
      gid: octal(block, 116, 124),
      mtime: octal(block, 136, 148),
      type: text(block, 156, 157),
      rest: block.toString('latin1', 265, 512).replace(/[0 \0]+/g, ''),
      offset: at,
    });
    at = end;
  }
  if (tar.length !== at + 1024) throw new Error(`${tar.length - at} bytes behind the last member, and not 1024`);
  return members;
}

/** One sample: the members of a key by their extensions. */
export type TarSample = Map<string, Buffer>;

/**
 * Samples by the rules of the Python package `webdataset`, in our own words: the key of a member is its path up to the
 * first dot of its base name, the rest in lower case its field; a sample is what follows one another with the same key, and no
 * field may come twice.
 */
export function samplesOf(members: readonly Pick<TarMember, 'name' | 'content'>[]): [string, TarSample][] {
  const samples: [string, TarSample][] = [];
  for (const { name, content } of members) {
    const match = /^((?:.*\/|)[^./][^./]*)\.([^/]+)$/.exec(name);
    if (match === null) continue;
    const [, key = '', field = ''] = match;
    let last = samples.at(-1);
    if (last?.[0] !== key) {
      last = [key, new Map()];
      samples.push(last);
    }
    if (last[1].has(field.toLowerCase())) throw new Error(`${name}: duplicate file name in tar file`);
    last[1].set(field.toLowerCase(), content);
  }
  return samples;
}
