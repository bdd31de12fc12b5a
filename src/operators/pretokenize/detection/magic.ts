import { netpbmType } from './netpbm.ts';

/** Bytes that a format begins with, or has at an offset; `x` in a pattern is any byte. */
interface Magic {
  readonly mediaType: string;
  readonly offset: number;
  readonly bytes: readonly number[];
  /** Whether ordinary text may begin like this. */
  readonly weak: boolean;
}

/** Fixed characters from which on a magic of letters alone is believed where the rest looks like text, too. */
const STRONG = 8;

/** A pattern of characters and `\xNN` escapes; a byte over 0xFF is one that may be anything. */
function magic(mediaType: string, pattern: string, offset = 0): Magic {
  const bytes = Array.from(pattern, (char) => char.codePointAt(0) ?? 0);
  const fixed = bytes.filter((byte) => byte <= 0xff);
  return {
    mediaType,
    offset,
    bytes,
    weak: fixed.length < STRONG && fixed.every((byte) => byte >= 0x20 && byte < 0x7f),
  };
}
const ANY = '\u0100';

/**
 * Formats that file-type does not know, and such as are so common that it is not asked. Facts from the formats' own
 * descriptions and the IANA registry of media types.
 */
const MAGICS: readonly Magic[] = [
  magic('image/png', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR'),
  magic('image/jls', '\xff\xd8\xff\xf7'),
  magic('image/jpeg', '\xff\xd8\xff'),
  magic('image/gif', 'GIF87a'),
  magic('image/gif', 'GIF89a'),
  magic('audio/wav', `RIFF${ANY.repeat(4)}WAVE`),
  magic('audio/wav', `RF64${ANY.repeat(4)}WAVE`),
  magic('audio/flac', 'fLaC'),
  magic('audio/basic', '.snd\0\0'),
  magic('audio/x-caf', 'caff\0\x01'),
  magic('audio/x-w64', 'riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb'),
  magic('audio/x-tta', 'TTA1\x01\0'),
  magic('audio/vnd.dts', '\x7f\xfe\x80\x01'),
  magic('video/x-yuv4mpeg', 'YUV4MPEG2 '),
  magic('video/x-ivf', 'DKIF\0\0\x20\0'),
  magic('video/x-nut', 'nut/multimedia container\0'),
  magic('image/vnd.ms-dds', 'DDS |\0\0\0'),
  magic('image/x-exr', 'v/1\x01'),
  magic('image/vnd.radiance', '#?RADIANCE\n'),
  magic('image/qoi', 'qoif'),
  magic('image/fits', 'SIMPLE  =                    T'),
  magic('image/emf', ' EMF\0\0\x01\0', 40),
  magic('image/wmf', '\xd7\xcd\xc6\x9a\0\0'),
  magic('application/gzip', '\x1f\x8b\x08'),
  magic('application/x-bzip2', `BZh${ANY}1AY&SY`),
  magic('application/zstd', '\x28\xb5\x2f\xfd'),
  magic('application/x-xz', '\xfd7zXZ\0'),
  magic('application/x-7z-compressed', '7z\xbc\xaf\x27\x1c'),
  magic('application/vnd.rar', 'Rar!\x1a\x07'),
  magic('application/x-snappy-framed', '\xff\x06\0\0sNaPpY'),
  magic('application/x-cpio', '070701'),
  magic('application/x-cpio', '070702'),
  magic('application/x-xar', 'xar!\0\x1c'),
  magic('application/x-elf', '\x7fELF'),
  magic('application/wasm', '\0asm'),
  magic('application/x-llvm-bitcode', 'BC\xc0\xde'),
  magic('application/x-lua-bytecode', '\x1bLua'),
  magic('application/vnd.android.dex', `dex\n${ANY.repeat(3)}\0`),
  magic('application/x-sqlite3', 'SQLite format 3\0'),
  magic('application/vnd.apache.parquet', 'PAR1'),
  magic('application/vnd.apache.arrow.file', 'ARROW1\0\0'),
  magic('application/vnd.apache.arrow.stream', `\xff\xff\xff\xff${ANY.repeat(2)}\0\0\x10\0\0\0`),
  magic('application/vnd.apache.feather', 'FEA1'),
  magic('application/vnd.apache.orc', 'ORC\x0a'),
  magic('application/vnd.apache.orc', 'ORC\x08'),
  magic('application/avro', 'Obj\x01'),
  magic('application/x-npy', '\x93NUMPY'),
  magic('application/gguf', 'GGUF'),
  magic('application/x-hdf5', '\x89HDF\r\n\x1a\n'),
  magic('application/x-matlab-data', 'MATLAB 5.0 MAT-file'),
  magic('application/x-git-pack', 'PACK\0\0\0'),
  magic('application/x-git-index', 'DIRC\0\0\0'),
  magic('application/x-qemu-disk', 'QFI\xfb'),
  magic('application/vnd.squashfs', 'hsqs'),
  magic('application/x-iso9660-image', 'CD001', 0x8001),
];

/** By their first byte, so that most bytes are compared with few of them; -1 for those that lie further in. */
const BY_FIRST = Map.groupBy(MAGICS, ({ offset, bytes }) => (offset === 0 ? (bytes[0] ?? -1) : -1));

const has = (bytes: Uint8Array, { offset, bytes: pattern }: Magic): boolean =>
  bytes.length >= offset + pattern.length && pattern.every((byte, at) => byte > 0xff || bytes[offset + at] === byte);

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** A JSON header behind its length (safetensors). */
function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 10 || bytes[8] !== 0x7b) return false;
  const length = viewOf(bytes).getBigUint64(0, true);
  return length >= 2n && length <= BigInt(bytes.length - 8) && bytes[7 + Number(length)] !== 0;
}

/** Machines of COFF objects that are met: x86-64, i386, ARM, ARM64. */
const COFF_MACHINES: ReadonlySet<number> = new Set([0x8664, 0x014c, 0x01c0, 0x01c4, 0xaa64]);

/** Objects have no magic: their header must be one, and its tables must lie in the file. */
function isCoff(bytes: Uint8Array): boolean {
  if (bytes.length < 60) return false;
  const view = viewOf(bytes);
  const sections = view.getUint16(2, true);
  const symbolsAt = view.getUint32(8, true);
  const symbols = view.getUint32(12, true);
  const optional = view.getUint16(16, true);
  if (!COFF_MACHINES.has(view.getUint16(0, true)) || sections === 0 || optional !== 0) return false;
  const tables = 20 + 40 * sections;
  return (
    tables <= bytes.length && (symbolsAt === 0 || (symbolsAt >= tables && symbolsAt + 18 * symbols <= bytes.length))
  );
}

const MACH_O: ReadonlySet<number> = new Set([0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe]);

/** Mach-O, thin or fat; a fat one begins like a Java class, of which no version is that low. */
function bigEndianMagic(bytes: Uint8Array): string | undefined {
  if (bytes.length < 8) return undefined;
  const view = viewOf(bytes);
  const first = view.getUint32(0);
  if (MACH_O.has(first)) return 'application/x-mach-binary';
  if (first !== 0xcafebabe && first !== 0xcafebabf) return undefined;
  const second = view.getUint32(4);
  if (second > 0 && second < 45) return 'application/x-mach-binary';
  return first === 0xcafebabe ? 'application/java-vm' : undefined;
}

/** Python's compiled modules: a version, then a line end that no transfer leaves as it is. */
const isPythonBytecode = (bytes: Uint8Array): boolean =>
  bytes.length >= 16 && bytes[2] === 0x0d && bytes[3] === 0x0a && (bytes[1] ?? 0) >= 0x0b && (bytes[1] ?? 0) <= 0x0f;

const HEADER = /(?:^|[\n\r\0])%PDF-\d\.\d/;
/** Where viewers look for the header of a PDF file (ISO 32000-1, annex H). */
const PDF_HEAD = 1024;

/** Whether it is a PDF file: its header at the beginning, or within the first kB and followed by what such files hold. */
export function isPdf(bytes: Uint8Array): boolean {
  if (bytes[0] === 0x25 && ascii(bytes, 0, 5) === '%PDF-') return true;
  const head = bytes.subarray(0, PDF_HEAD + 16);
  if (Buffer.from(head.buffer, head.byteOffset, head.length).indexOf('%PDF-') === -1) return false;
  const { index = -1 } = HEADER.exec(ascii(bytes, 0, PDF_HEAD + 8)) ?? {};
  return index !== -1 && / obj\b/.test(ascii(bytes, index, index + 2 * PDF_HEAD));
}

/** Whether it is an `ar` archive, which is text where its members are: its mark, and that of the first header. */
export const isAr = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x21 && ascii(bytes, 0, 8) === '!<arch>\n' && (bytes.length === 8 || ascii(bytes, 66, 68) === '`\n');

/** Bytes as characters of Latin-1. */
export const ascii = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', start, end);

/** A tar archive has no magic in its oldest form: the first header's checksum must fit (POSIX.1-2001, ustar). */
function isTar(bytes: Uint8Array): boolean {
  if (bytes.length < 512) return false;
  const stated = /^[ \0]*([0-7]{1,8})[ \0]/.exec(`${ascii(bytes, 148, 156)} `)?.[1];
  if (stated === undefined || bytes[0] === 0) return false;
  let sum = 8 * 0x20;
  for (let at = 0; at < 512; at++) if (at < 148 || at >= 156) sum += bytes[at] ?? 0;
  return sum === Number.parseInt(stated, 8);
}

/**
 * The media type that bytes which are not plain text have by rules of our own; nothing is read but a few bytes.
 * @param like whether they look like text in some charset: letters alone are no magic then
 */
export function magicType(bytes: Uint8Array, like: boolean): string | undefined {
  const first = bytes[0];
  if (first === undefined) return undefined;
  for (const group of [BY_FIRST.get(first), BY_FIRST.get(-1)]) {
    const found = group?.find((rule) => !(like && rule.weak) && has(bytes, rule));
    if (found !== undefined) return found.mediaType;
  }
  if (first === 0x50) {
    const netpbm = netpbmType(bytes);
    if (netpbm !== undefined) return netpbm;
  }
  if (isPdf(bytes)) return 'application/pdf';
  if (isAr(bytes)) return ascii(bytes, 8, 21) === 'debian-binary' ? 'application/x-deb' : 'application/x-unix-archive';
  if (like) return undefined;
  const other = bigEndianMagic(bytes);
  if (other !== undefined) return other;
  if (isPythonBytecode(bytes)) return 'application/x-python-code';
  if (isSafetensors(bytes)) return 'application/x-safetensors';
  if (isTar(bytes)) return 'application/x-tar';
  return isCoff(bytes) ? 'application/x-coff' : undefined;
}
