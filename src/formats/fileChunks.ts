import { open } from 'node:fs/promises';

/**
 * The bytes [start, end) of a file in pieces of at most `size`; each piece is valid only until the next is asked for.
 * Ends early where the file does.
 */
export async function* fileChunks(
  file: string,
  start = 0,
  end = Number.POSITIVE_INFINITY,
  size = 1 << 20,
): AsyncGenerator<Uint8Array, void, undefined> {
  const handle = await open(file, 'r');
  try {
    const buffer = new Uint8Array(size);
    for (let at = start; at < end; ) {
      const wanted = Math.min(size, end - at);
      let filled = 0;
      // A read may return less than was asked for; a piece is only shorter where the range or the file ends.
      for (let read = -1; read !== 0 && filled < wanted; filled += read) {
        read = (await handle.read(buffer, filled, wanted - filled, at + filled)).bytesRead;
      }
      if (filled === 0) return;
      yield buffer.subarray(0, filled);
      at += filled;
    }
  } finally {
    await handle.close();
  }
}

/** Lines of a UTF-8 file without their ends; a last line without an end counts too. Throws TypeError for invalid UTF-8. */
export async function* fileLines(file: string): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  // Pieces of the line that has not ended: looking through all of them again for each would take the square of its length.
  let begun: string[] = [];
  for await (const chunk of fileChunks(file)) {
    const [first = '', ...more] = decoder.decode(chunk, { stream: true }).split('\n');
    begun.push(first);
    const last = more.pop();
    if (last === undefined) continue;
    yield begun.join('');
    yield* more;
    begun = [last];
  }
  begun.push(decoder.decode());
  const rest = begun.join('');
  if (rest !== '') yield rest;
}
