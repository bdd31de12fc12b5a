import type { OpenFile } from '../../../sources/open-file.ts';

/** Bytes at hand as the readers of archives want them: what they read are views, nothing is copied. */
export function memoryFile(bytes: Uint8Array<ArrayBuffer>): OpenFile {
  return {
    uri: '',
    location: '',
    size: bytes.length,
    mtimeMs: undefined,
    read: async (start, end) => bytes.subarray(start, end),
    async *stream(start, end) {
      yield bytes.subarray(start, end);
    },
    close: async () => {},
  };
}
