/** Bytes of a stream's header, and of its footer. */
const EDGE = 12;

/** A variable-length number (section 1.2), and where it ends; undefined where it does not. */
function number(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let width = 0; width < 8 && at + width < bytes.length; width++) {
    const byte = bytes[at + width] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * width);
    if (byte < 0x80) return { value, end: at + width + 1 };
  }
  return undefined;
}

/** Bytes of all blocks that an index lists, each padded to four. */
function blockBytes(index: Uint8Array): number | undefined {
  const count = number(index, 1);
  if (index[0] !== 0 || count === undefined) return undefined;
  let at = count.end;
  let total = 0;
  for (let block = 0; block < count.value; block++) {
    const packed = number(index, at);
    const unpacked = packed === undefined ? undefined : number(index, packed.end);
    if (packed === undefined || unpacked === undefined) return undefined;
    total += Math.ceil(packed.value / 4) * 4;
    at = unpacked.end;
  }
  return total;
}

/**
 * The streams that an xz file consists of, found from its end by their indexes; the whole file where they do not tell.
 *
 * Format: The .xz File Format 1.2.1.
 */
export function xzStreams(bytes: Uint8Array): readonly Uint8Array[] {
  const streams: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let end = bytes.length; end > 0; ) {
    if (end >= 4 && view.getUint32(end - 4) === 0) {
      end -= 4; // padding between streams
      continue;
    }
    if (end < 2 * EDGE || view.getUint16(end - 2) !== 0x595a) return [bytes];
    const index = (view.getUint32(end - 8, true) + 1) * 4;
    const blocks = index + 2 * EDGE > end ? undefined : blockBytes(bytes.subarray(end - EDGE - index, end - EDGE));
    const start = blocks === undefined ? -1 : end - EDGE - index - blocks - EDGE;
    if (start < 0 || view.getUint32(start) !== 0xfd377a58) return [bytes];
    streams.unshift(bytes.subarray(start, end));
    end = start;
  }
  return streams.length === 0 ? [bytes] : streams;
}
