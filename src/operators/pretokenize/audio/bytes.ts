/** The view of bytes that numbers are read through. */
export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Four bytes as letters; what lies behind the end is left out. */
export const fourLetters = (bytes: Uint8Array, at: number): string =>
  String.fromCharCode(...bytes.subarray(at, at + 4));

/** Whether ASCII stands at a place. */
export function standsAt(bytes: Uint8Array, at: number, ascii: string): boolean {
  if (at + ascii.length > bytes.length) return false;
  for (let n = 0; n < ascii.length; n++) if (bytes[at + n] !== ascii.charCodeAt(n)) return false;
  return true;
}
