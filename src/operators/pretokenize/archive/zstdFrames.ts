const FRAME = 0xfd2fb528;
/** The low four bits of a skippable frame's magic are free. */
const SKIPPABLE = 0x184d2a50;

/**
 * The frames that Zstandard data consists of, skippable ones left out; undefined where they do not fill it to its end.
 *
 * Format: RFC 8878, section 3.1.
 */
export function zstdFrames(bytes: Uint8Array): readonly Uint8Array[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const frames: Uint8Array[] = [];
  let at = 0;
  while (at + 8 <= bytes.length) {
    const magic = view.getUint32(at, true);
    if (magic - (magic % 16) === SKIPPABLE) {
      at += 8 + view.getUint32(at + 4, true);
      continue;
    }
    const end = magic === FRAME ? frameEnd(view, at) : undefined;
    if (end === undefined) return undefined;
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return at === bytes.length ? frames : undefined;
}

/** Where a frame ends, by the headers of its blocks; undefined where that is behind the bytes. */
function frameEnd(view: DataView, start: number): number | undefined {
  const descriptor = view.getUint8(start + 4);
  const single = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const contentSize = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  let at = start + 5 + (single ? 0 : 1) + dictionary + contentSize;
  for (;;) {
    if (at + 3 > view.byteLength) return undefined;
    const block = view.getUint8(at) + view.getUint16(at + 1, true) * 256;
    // a run-length block holds one byte, however long it gets
    at += 3 + (((block >> 1) & 3) === 1 ? 1 : block >> 3);
    if ((block & 1) !== 0) break;
  }
  const end = at + ((descriptor & 4) === 0 ? 0 : 4);
  return end <= view.byteLength ? end : undefined;
}
