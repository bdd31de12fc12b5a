import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { npyArray, npyChunks, parseNpy } from '../../src/formats/npy.ts';
import { type NpzMember, npzChunks } from '../../src/formats/npz.ts';
import { unzipStored } from '../support/zip.ts';

async function written(members: Iterable<NpzMember>, wholeBytes?: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of npzChunks(members, wholeBytes)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const members: NpzMember[] = [
  {
    name: 'radii',
    ...npyArray(
      Float32Array.from({ length: 6 }, (_, i) => i / 4),
      [2, 3],
    ),
  },
  { name: 'empty', ...npyArray(new Int32Array(0)) },
  { name: 'bytes', ...npyArray(Buffer.from('hällo')) },
  { name: 'long', ...npyArray(Float32Array.from({ length: 100_000 }, (_, i) => i)) },
];

describe('an .npz file', () => {
  it('is an archive of .npy files, stored as they are, without a trace of when', async () => {
    const archive = unzipStored(await written(members));
    expect(archive.map(({ name }) => name)).toEqual(['radii.npy', 'empty.npy', 'bytes.npy', 'long.npy']);
    expect(archive.map(({ content }) => content)).toEqual(
      members.map((member) => Buffer.concat([...npyChunks(member)])),
    );
    expect(parseNpy(archive[0]?.content ?? Buffer.alloc(0))).toMatchObject({ type: '<f4', shape: [2, 3] });
    for (const { time, mode, sizeFirst } of archive) {
      // midnight of 1 January 1980; a plain file that everybody may read
      expect([time, mode, sizeFirst]).toEqual([0x00210000, 0o100644, true]);
    }
  });

  it('has the same bytes in any time zone', async () => {
    const before = process.env['TZ'];
    const files: Buffer[] = [];
    try {
      for (const zone of ['Pacific/Kiritimati', 'America/Los_Angeles']) {
        process.env['TZ'] = zone;
        files.push(await written(members));
      }
    } finally {
      if (before === undefined) delete process.env['TZ'];
      else process.env['TZ'] = before;
    }
    expect(files[0]).toEqual(files[1]);
  });

  it('holds the same where members are too large to be handed over whole: their sizes stand behind them then', async () => {
    const contents = async (wholeBytes?: number) =>
      unzipStored(await written(members, wholeBytes)).map(({ name, content }) => [name, content]);
    expect(await contents(200)).toEqual(await contents());
    expect(unzipStored(await written(members, 200)).map(({ sizeFirst }) => sizeFirst)).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it('makes no member before those in front of it have been taken', async () => {
    const made: number[] = [];
    function* many(): Generator<NpzMember> {
      for (let i = 0; i < 20; i++) {
        made.push(i);
        yield { name: `a${i}`, ...npyArray(new Uint8Array(100_000)) };
      }
    }
    const chunks = npzChunks(many());
    await chunks.next();
    await wait(20);
    expect(made.length).toBeLessThan(4);
    await chunks.return();
  });

  it.each([undefined, 1])('fails for content that does not fit its shape', async (wholeBytes) => {
    const wrong: NpzMember = { name: 'x', type: '<f4', shape: [3], chunks: [new Uint8Array(3)] };
    await expect(written([wrong], wholeBytes)).rejects.toMatchObject({ code: 'BAD_NPY' });
  });
});
