import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { crc32, deflateRawSync } from 'node:zlib';
import { type DecoderLimits, settledLimits } from '../../../../src/decoders/limits.ts';
import { cutRecord } from '../../../../src/operators/pretokenize/cut.ts';
import { type PretokenizeOptions, settled } from '../../../../src/operators/pretokenize/settings.ts';
import { type Cut, isRefused, type Refused, type View } from '../../../../src/operators/pretokenize/view.ts';

export const fixture = (name: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(readFileSync(new URL(`../../../fixtures/media/archive/${name}`, import.meta.url)));

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What a record is cut into, in this process; modalities that need a decoder pass their bytes. */
export async function cut(
  bytes: Uint8Array,
  { uri = 'record', limits, ...options }: PretokenizeOptions & { uri?: string; limits?: DecoderLimits } = {},
): Promise<readonly Cut[]> {
  const plain = { code: false, image: false, audio: false, video: false, pdf: false, binary: false } as const;
  return cutRecord(Uint8Array.from(bytes), {
    uri,
    stated: undefined,
    settings: settled({ ...plain, ...options }),
    limits: settledLimits(limits),
    ffmpeg: undefined,
  });
}

export const views = (cuts: readonly Cut[]): View[] => cuts.filter((one): one is View => !isRefused(one));
export const refused = (cuts: readonly Cut[]): Refused[] => cuts.filter(isRefused);

/** Members with their content as text. */
export const contents = (cuts: readonly Cut[]): Record<string, string> =>
  Object.fromEntries(views(cuts).map(({ member = '', content }) => [member, Buffer.from(content ?? []).toString()]));

/** A member of a ZIP archive; everything can be a lie. */
export interface Entry {
  readonly name: string | Buffer;
  readonly content?: string | Uint8Array;
  readonly stored?: boolean;
  readonly size?: number;
  readonly crc?: number;
  readonly flags?: number;
  /** Number of the entry whose content this one shares. */
  readonly sameAs?: number | undefined;
  /** Unix mode. */
  readonly mode?: number;
}

/** A ZIP archive, byte by byte (APPNOTE 6.3). */
export function zipOf(entries: readonly Entry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  const places: { offset: number; packed: number }[] = [];
  let at = 0;
  for (const { name, content = '', stored = false, flags = 0, sameAs, mode = 0o100644, ...said } of entries) {
    const rawName = Buffer.from(name);
    const plain = Buffer.from(content);
    const data = stored || sameAs !== undefined ? plain : deflateRawSync(plain);
    const { size = plain.length, crc = crc32(plain) } = said;
    const fixed = Buffer.alloc(26);
    fixed.writeUInt16LE(20, 0);
    fixed.writeUInt16LE(flags | 0x0800, 2);
    fixed.writeUInt16LE(stored ? 0 : 8, 4);
    fixed.writeUInt32LE(crc, 10);
    fixed.writeUInt32LE(data.length, 14);
    fixed.writeUInt32LE(size, 18);
    fixed.writeUInt16LE(rawName.length, 22);
    let place = sameAs === undefined ? undefined : places[sameAs];
    if (place === undefined) {
      place = { offset: at, packed: data.length };
      const local = Buffer.concat([Buffer.from('PK\x03\x04'), fixed, rawName, data]);
      parts.push(local);
      at += local.length;
    }
    places.push(place);
    const tail = Buffer.alloc(14);
    tail.writeUInt16LE(0, 0);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(place.offset, 10);
    fixed.writeUInt32LE(place.packed, 14);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x03'), fixed, tail, rawName]));
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(Math.min(0xffff, entries.length), 4);
  end.writeUInt16LE(Math.min(0xffff, entries.length), 6);
  end.writeUInt32LE(listed.length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...parts, listed, Buffer.from('PK\x05\x06'), end]);
}

export interface TarEntry {
  readonly name: string;
  readonly content?: string | Uint8Array;
  readonly type?: string;
  readonly link?: string;
}

/** A tar archive of regular files, or of whatever else is said (POSIX.1-1988). */
export function tarOf(entries: readonly TarEntry[]): Buffer {
  const parts = entries.flatMap(({ name, content = '', type = '0', link = '' }) => {
    const data = Buffer.from(content);
    const header = Buffer.alloc(512);
    header.write(name, 0, 100);
    header.write(`0000644\0${'0000000\0'.repeat(2)}`, 100);
    header.write(`${data.length.toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0`, 124);
    header.write(' '.repeat(8), 148);
    header.write(type, 156);
    header.write(link, 157, 100);
    header.write('ustar\0' + '00', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}
