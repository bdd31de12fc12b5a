import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Patches } from '../../src/records.ts';
import { type CutOptions, type Keeper, type Shard, ShardCutter } from '../../src/sinks/shardCut.ts';
import { divided, patchesOf, type Sketch, sketches } from './flow.ts';

type Kept = { lengths: number[]; bytes: number[] };

const keeper: Keeper<Kept> = {
  open: () => ({ lengths: [], bytes: [] }),
  add(kept, { value, from, to, byteFrom, byteTo }) {
    kept.lengths.push(...value.lengths.subarray(from, to));
    kept.bytes.push(...value.bytes.subarray(byteFrom, byteTo));
  },
};

function cut(values: readonly Patches[], options: CutOptions): Shard<Kept>[] {
  const cutter = new ShardCutter(options, keeper);
  return [...values.flatMap((value) => [...cutter.push(value)]), ...cutter.finish()];
}

const shardBytes = fc.integer({ min: 4096, max: 20_000 });
const costOf = (shard: Shard<Kept>): number =>
  shard.parts.reduce((sum, { kept, document }) => {
    const strings = document.id.length + document.source.uri.length + JSON.stringify(document.meta).length;
    return sum + 1024 + strings + kept.lengths.reduce((cost, length) => cost + 4 * shard.dim + 16 + 9 * length, 0);
  }, 0);

describe('shards', () => {
  it('hold every document, patch and byte once and in order', () => {
    fc.assert(
      fc.property(sketches({ maxLength: 300 }), shardBytes, (documents, size) => {
        const values = patchesOf(documents);
        const parts = cut(values, { shardBytes: size }).flatMap((shard) => shard.parts);
        expect(parts.flatMap((part) => part.kept.lengths)).toEqual(values.flatMap((value) => [...value.lengths]));
        expect(parts.flatMap((part) => part.kept.bytes)).toEqual(values.flatMap((value) => [...value.bytes]));
        const beginnings = parts.filter((part) => part.part === 0).map((part) => part.document.id);
        expect(beginnings).toEqual(documents.map((_, i) => `doc-${i}`));
        expect(parts.filter((part) => part.complete).map((part) => part.document.id)).toEqual(beginnings);
      }),
    );
  });

  it('number the parts of a document, each telling what came before it', () => {
    fc.assert(
      fc.property(sketches({ maxLength: 300 }), shardBytes, (documents, size) => {
        let before = { id: '', part: -1, patches: 0, bytes: 0, complete: true };
        for (const { parts } of cut(patchesOf(documents), { shardBytes: size })) {
          for (const part of parts) {
            if (part.part === 0) expect(before.complete).toBe(true);
            else {
              expect(part).toMatchObject({
                part: before.part + 1,
                patchesBefore: before.patches,
                bytesBefore: before.bytes,
              });
              expect(part.document.id).toBe(before.id);
              expect(parts[0]).toBe(part);
            }
            before = {
              id: part.document.id,
              part: part.part,
              patches: part.patchesBefore + part.patches,
              bytes: part.bytesBefore + part.bytes,
              complete: part.complete,
            };
          }
        }
      }),
    );
  });

  it('stay within their size, unless a single patch is larger, and are never empty', () => {
    fc.assert(
      fc.property(sketches({ maxLength: 900 }), shardBytes, (documents, size) => {
        cut(patchesOf(documents), { shardBytes: size }).forEach((shard, index) => {
          expect(shard.index).toBe(index);
          expect(shard.parts.length).toBeGreaterThan(0);
          if (shard.patches > 1) expect(costOf(shard)).toBeLessThanOrEqual(size);
        });
      }),
    );
  });

  it('are filled: what begins the next one did not fit any more', () => {
    fc.assert(
      fc.property(sketches({ maxLength: 300 }), shardBytes, (documents, size) => {
        const shards = cut(patchesOf(documents), { shardBytes: size });
        const parts = shards.flatMap((shard) => shard.parts);
        shards.slice(1).forEach((shard, i) => {
          const first = shard.parts[0] as (typeof parts)[number];
          const document = parts.filter((part) => part.document === first.document);
          const whole =
            first.part === 0
              ? costOf({ ...shard, parts: document })
              : 4 * shard.dim + 16 + 9 * (first.kept.lengths[0] ?? 0);
          expect(costOf(shards[i] as Shard<Kept>) + whole).toBeGreaterThan(size);
        });
      }),
    );
  });

  it('are the same however the patches of a document are divided into values', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(sketches({ maxLength: 300 }), shardBytes, cuts, (documents, size, at) => {
        const values = patchesOf(documents);
        expect(cut(divided(values, at), { shardBytes: size })).toEqual(cut(values, { shardBytes: size }));
      }),
    );
  });

  it('hold one document each in the document layout, and still no more than their size', () => {
    fc.assert(
      fc.property(sketches({ maxLength: 300 }), shardBytes, (documents, size) => {
        const shards = cut(patchesOf(documents), { shardBytes: size, layout: 'document' });
        expect(shards.every((shard) => shard.parts.length === 1)).toBe(true);
        const ids = shards.flatMap((shard) => (shard.parts[0]?.part === 0 ? [shard.parts[0].document.id] : []));
        expect(ids).toEqual(documents.map((_, i) => `doc-${i}`));
        for (const shard of shards) if (shard.patches > 1) expect(costOf(shard)).toBeLessThanOrEqual(size);
      }),
    );
  });

  it('list a document without patches', () => {
    const [shard] = cut(patchesOf([{ segments: [[]] }]), {});
    expect(shard).toMatchObject({ patches: 0, bytes: 0, dim: 4 });
    expect(shard?.parts).toMatchObject([{ complete: true, patches: 0 }]);
  });

  it('are none where nothing arrives', () => {
    expect(cut([], {})).toEqual([]);
  });

  it('take the next document where a filter dropped the end of one', () => {
    const values = patchesOf([{ segments: [[3], [4]] }, { segments: [[5]] }]).filter(
      (value) => value.segment.index === 0,
    );
    const [shard] = cut(values, {});
    expect(shard?.parts.map((part) => [part.document.id, part.patches, part.complete])).toEqual([
      ['doc-0', 1, false],
      ['doc-1', 1, true],
    ]);
  });

  const one = (): Patches => patchesOf([{ segments: [[3, 4]] } satisfies Sketch])[0] as Patches;
  it.each([
    ['lengths that miss bytes', { lengths: Int32Array.of(3, 3) }],
    ['a patch of no bytes', { lengths: Int32Array.of(7, 0) }],
    ['embeddings of another width', { dim: 5 }],
    ['a signal of another length', { prominence: new Float32Array(3) }],
    ['a byte signal of another length', { norms: new Float32Array(3) }],
    ['a mean entropy that is not a number', { entropy: Float32Array.of(1, Number.NaN) }],
  ])('are refused with %s', (_, wrong) => {
    expect(() => cut([{ ...one(), ...wrong }], {})).toThrow(expect.objectContaining({ code: 'BAD_PATCHES' }));
  });

  it('are refused when the width of the embeddings changes', () => {
    const values = [...patchesOf([{ segments: [[3]] }], 4), ...patchesOf([{ segments: [[3]] }], 8)];
    expect(() => cut(values, {})).toThrow(expect.objectContaining({ code: 'BAD_PATCHES' }));
  });

  it.each([0, 4095, 1.5, Number.NaN])('are refused a size of %d', (size) => {
    expect(() => cut([], { shardBytes: size })).toThrow(expect.objectContaining({ code: 'BAD_SHARD_BYTES' }));
  });
});
