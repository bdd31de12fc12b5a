import { describe, expect, it } from 'vitest';
import { safetensors } from '../../src/sinks/safetensors.ts';
import { signals } from '../../src/sinks/signals.ts';
import { floats, loadPatches, parseSafetensors, tensor } from './consumer.ts';
import { divided, filesOf, patchesOf, writeAll } from './flow.ts';

const values = () => patchesOf([{ segments: [[3, 4], [2]] }, { segments: [[]] }, { segments: [Array(600).fill(5)] }]);

describe('signals sink', () => {
  it('writes entropies and norms of every byte, and where documents begin', async () => {
    const { root } = await writeAll([signals()], values());
    const [[name, file]] = [...(await filesOf(root))] as [[string, Buffer]];
    expect(name).toBe('00000-000000.signals.safetensors');
    expect([...parseSafetensors(file).entries.keys()]).toEqual(['document_offsets', 'entropies', 'norms']);
    const { bytes } = tensor(file, 'document_offsets', 'I64');
    expect([0, 8, 16, 24].map((at) => bytes.readBigInt64LE(at))).toEqual([0n, 9n, 9n, 3009n]);
    expect([...floats(tensor(file, 'entropies', 'F32').bytes)]).toEqual(
      values().flatMap((value) => [...value.entropies]),
    );
    expect([...floats(tensor(file, 'norms', 'F32').bytes)]).toEqual(values().flatMap((value) => [...value.norms]));
  });

  it('is cut where the patches are cut', async () => {
    const options = { shardBytes: 8192 };
    const { root } = await writeAll([safetensors('shards', options), signals('shards', options)], values());
    const files = await filesOf(root);
    const shards = [...files.keys()].filter((name) => !name.includes('.signals.'));
    expect(shards.length).toBeGreaterThan(2);
    for (const name of shards) {
      const bytes = loadPatches(files.get(name) as Buffer).pieces.reduce((sum, piece) => sum + piece.length, 0);
      const beside = files.get(name.replace('.safetensors', '.signals.safetensors')) as Buffer;
      expect(tensor(beside, 'entropies', 'F32').shape).toEqual([bytes]);
    }
  });

  it('writes the same bytes however the flow is divided', async () => {
    const whole = await writeAll([signals('shards', { shardBytes: 8192 })], values());
    const pieces = await writeAll([signals('shards', { shardBytes: 8192 })], divided(values(), [1, 4, 2]));
    expect(await filesOf(pieces.root)).toEqual(await filesOf(whole.root));
  });

  it('refuses patches without signals, which other sinks take', async () => {
    const bare = values().map((value) => ({ ...value, entropies: new Float32Array(0), norms: new Float32Array(0) }));
    await expect(writeAll([signals()], bare)).rejects.toMatchObject({ code: 'BAD_PATCHES' });
    const { counts } = await writeAll([safetensors()], bare);
    expect(counts).toMatchObject({ bytes: 3009 });
  });
});
