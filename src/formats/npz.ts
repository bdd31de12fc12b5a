import { once } from 'node:events';
import { type PassThrough, Readable } from 'node:stream';
import { type Options, ZipFile } from 'yazl';
import { type NpyArray, npyBytes, npyChunks } from './npy.ts';

/** An array and its name, without `.npy`: what `numpy.load(file)[name]` gives. */
export interface NpzMember extends NpyArray {
  readonly name: string;
}

/** Up to here a member is handed over whole, so that its size and checksum stand before it, as simple readers ask. */
const WHOLE_BYTES = 512 << 20;

/** How members are stored. The time is the least that the format can say; its fields are local, so it is made here and now. */
const stored = (): Partial<Options> => ({
  compress: false,
  mode: 0o100644,
  mtime: new Date(1980, 0, 1),
  forceDosTimestamp: true,
});

/**
 * A NumPy `.npz` file as a sequence of chunks: a ZIP archive of `<name>.npy` members, stored without compression, as
 * `numpy.savez` writes it. Equal members give equal bytes; beyond 4 GiB it is ZIP64. One or two members are in memory at a
 * time, however slowly the chunks are taken; of those larger than `wholeBytes` (default 512 MiB) only what is on its way.
 *
 *     for await (const chunk of npzChunks([{ name: 'radii', ...npyArray(radii) }])) await file.write(chunk);
 *
 * @throws SluiceError `BAD_NPY` for content whose length does not fit its shape
 */
export async function* npzChunks(
  members: Iterable<NpzMember>,
  wholeBytes = WHOLE_BYTES,
): AsyncGenerator<Uint8Array, void, undefined> {
  const zip = new ZipFile();
  // It is Node's own, which the types of the package do not say.
  const output = zip.outputStream as PassThrough;
  feed(zip, output, members, wholeBytes).catch((error: unknown) => output.destroy(error as Error));
  yield* output as AsyncIterable<Uint8Array>;
}

async function feed(
  zip: ZipFile,
  output: PassThrough,
  members: Iterable<NpzMember>,
  wholeBytes: number,
): Promise<void> {
  for (const member of members) {
    const name = `${member.name}.npy`;
    const size = npyBytes(member);
    if (size <= wholeBytes) {
      zip.addBuffer(Buffer.concat([...npyChunks(member)], size), name, stored());
    } else {
      const content = Readable.from(npyChunks(member), { objectMode: false });
      zip.addReadStream(content, name, { ...stored(), size });
      await once(content, 'close');
    }
    if (output.writableNeedDrain) await once(output, 'drain');
  }
  zip.end();
}
