/** Where a container's next part begins, or how far it should reach; undefined where its parts end as they should. */
type Walk = (view: DataView) => number | undefined;

const ascii = (view: DataView, at: number, text: string): boolean =>
  at + text.length <= view.byteLength && [...text].every((char, n) => view.getUint8(at + n) === char.charCodeAt(0));

/** Goes from part to part by their sizes. @param sizeAt undefined where a part says no size, so that nothing can be told */
function reach(view: DataView, start: number, head: number, sizeAt: (at: number) => number | undefined) {
  for (let at = start; at < view.byteLength; ) {
    const size = at + head > view.byteLength ? head : sizeAt(at);
    if (size === undefined || size < 1) return undefined;
    at += size;
    if (at > view.byteLength) return at;
  }
  return undefined;
}

/** Boxes of a whole file; what else stands behind them is somebody else's. */
const BOXES = ['ftyp', 'styp', 'moov', 'moof', 'mdat', 'free', 'skip', 'wide', 'uuid', 'sidx', 'mfra', 'meta', 'udta'];

/** Boxes of ISO 14496-12: size, type, the size as 64 bits where the first is 1; 0 for the rest of the file. */
const boxes: Walk = (view) =>
  reach(view, 0, 8, (at) => {
    if (!BOXES.some((type) => ascii(view, at + 4, type))) return undefined;
    const size = view.getUint32(at);
    if (size === 1) return at + 16 > view.byteLength ? 16 : Number(view.getBigUint64(at + 8));
    return size >= 8 ? size : undefined;
  });

/** Chunks of RIFF, of which AVI has several in large files. */
const riff: Walk = (view) =>
  reach(view, 0, 8, (at) => {
    const size = view.getUint32(at + 4, true);
    return ascii(view, at, 'RIFF') && size > 0 ? 8 + size + (size % 2) : undefined;
  });

/** Tags of FLV: eleven bytes, the second to the fourth of them a size, and the tag's size again behind it. */
const tags: Walk = (view) =>
  reach(view, view.getUint32(5) + 4, 11, (at) => {
    const isTag = [8, 9, 18].includes(view.getUint8(at) & 31);
    return isTag ? 15 + (view.getUint32(at) & 0xffffff) : undefined;
  });

/** Pages of Ogg (RFC 3533): 27 bytes, as many lengths as the last of them says, and so much. */
const pages: Walk = (view) =>
  reach(view, 0, 27, (at) => {
    if (!ascii(view, at, 'OggS')) return undefined;
    const lengths = view.getUint8(at + 26);
    let size = 27 + lengths;
    for (let n = 0; n < lengths && at + 27 + n < view.byteLength; n++) size += view.getUint8(at + 27 + n);
    return size;
  });

/** First bytes of the names that objects of ASF have: header, data, three kinds of index. */
const OBJECTS = [0x3026b275, 0x3626b275, 0x90080033, 0xd329e2d6, 0xf803b1fe];

/** Objects of ASF: sixteen bytes of name, a size as 64 bits. */
const objects: Walk = (view) =>
  reach(view, 0, 24, (at) => {
    if (!OBJECTS.includes(view.getUint32(at))) return undefined;
    const size = Number(view.getBigUint64(at + 16, true));
    return size >= 24 ? size : undefined;
  });

/** Packets of MPEG-2 transport streams (ISO 13818-1). */
const packets: Walk = (view) => reach(view, 0, 188, (at) => (view.getUint8(at) === 0x47 ? 188 : undefined));

/** Identifiers of the header and the segment of Matroska. */
const ELEMENTS = [0x1a45dfa3, 0x18538067];

/** Elements of EBML (RFC 8794): here, an identifier of four bytes, and a size of variable length; all ones for a size that is not known. */
const elements: Walk = (view) =>
  reach(view, 0, 12, (at) => {
    if (!ELEMENTS.includes(view.getUint32(at))) return undefined;
    const id = 4;
    const first = view.getUint8(at + id);
    const length = Math.clz32(first) - 23;
    if (length > 8) return undefined;
    let size = first & (0xff >> length);
    let unknown = size === 0xff >> length;
    for (let n = 1; n < length; n++) {
      const byte = view.getUint8(at + id + n);
      unknown &&= byte === 0xff;
      size = 256 * size + byte;
    }
    return unknown ? undefined : id + length + size;
  });

function walkOf(view: DataView): Walk | undefined {
  if (view.byteLength < 32) return undefined;
  if (ascii(view, 4, 'ftyp') || ascii(view, 4, 'moov') || ascii(view, 4, 'mdat')) return boxes;
  if (ascii(view, 0, 'RIFF')) return riff;
  if (ascii(view, 0, 'FLV')) return tags;
  if (ascii(view, 0, 'OggS')) return pages;
  if (view.getUint32(0) === 0x3026b275) return objects;
  if (view.getUint32(0) === 0x1a45dfa3) return elements;
  return view.byteLength > 188 && view.getUint8(0) === 0x47 && view.getUint8(188) === 0x47 ? packets : undefined;
}

/**
 * What a file lacks at its end, as far as its container tells how long its parts are: ffmpeg takes what there is of some
 * without a word.
 */
export function missingEnd(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = walkOf(view)?.(view);
  return end === undefined ? undefined : `the file ends at byte ${bytes.length}, and a part of it at ${end}`;
}
