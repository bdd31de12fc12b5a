const MARK = Buffer.from('\ufeff');

/** A stream without the UTF-8 byte-order mark that it may begin with; `passed` hears how long it was. */
export async function* behindMark(
  chunks: AsyncIterable<Uint8Array>,
  passed: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < MARK.length) continue;
    const marked = head.subarray(0, MARK.length).equals(MARK);
    if (marked) passed(MARK.length);
    yield marked ? head.subarray(MARK.length) : head;
    head = undefined;
  }
  if (head !== undefined) yield head;
}
