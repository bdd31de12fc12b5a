import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeEdge,
  decodeNode,
  decodeVertices,
  encodeEdge,
  encodeNode,
  encodeVertices,
  type HypergraphNode,
} from '../../src/formats/hypergraphSchema.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const ascii = (text: string): string => Buffer.from(text).toString('hex');

/** Blobs that another writer of the schema has left in real sidecars. */
const golden: [string, HypergraphNode, string][] = [
  [
    'a trunk',
    { kind: 'trunk', sourceHash: 'openai/gdpval:item_0', totalBytes: 0 },
    `0014${ascii('openai/gdpval:item_0')}00`,
  ],
  [
    "the leaf of the character 'T'",
    { kind: 'leaf', label: 'char', metadata: { startOffset: 0, endOffset: 1, confidence: 1, extra: { char: 'T' } } },
    `020104${ascii('char')}01${'00'}01${'0000803f'}0101${'04'}${ascii('char')}0154`,
  ],
];

describe('hypergraph blobs', () => {
  it.each(golden)('write %s as its known bytes, and read it back', (_, node, bytes) => {
    expect(hex(encodeNode(node))).toBe(bytes);
    expect(decodeNode(Buffer.from(bytes, 'hex'))).toEqual(node);
  });

  it('write the edge 0 -> 1 contains as its known bytes, the vertices being a prefix of the data', () => {
    const edge = { vertices: [0, 1], label: 'contains', weight: 1 };
    expect(hex(encodeVertices([0, 1]))).toBe('020001');
    expect(hex(encodeEdge(edge))).toBe(`020001${'08'}${ascii('contains')}0000803f`);
    expect(decodeEdge(encodeEdge(edge))).toEqual(edge);
    expect(decodeVertices(encodeVertices([0, 1]))).toEqual([0, 1]);
  });

  it('store the extras of a patch in alphabetical order, numbers as floats or unsigned integers by name', () => {
    const extra = { patch_length: 5, patch_index: 2, mean_entropy: 1, coherence_score: 2 };
    const node = {
      kind: 'leaf',
      label: 'patch_2',
      metadata: { startOffset: 7, endOffset: 1026, confidence: 1, extra },
    } as const;
    expect(hex(encodeNode(node))).toBe(
      [
        `020107${ascii('patch_2')}0107fb02040000803f0104`,
        `0f${ascii('coherence_score')}0000000000000040`,
        `0c${ascii('mean_entropy')}000000000000f03f`,
        `0b${ascii('patch_index')}02`,
        `0c${ascii('patch_length')}05`,
      ].join(''),
    );
  });

  it('read back any node and any edge', () => {
    const size = fc.maxSafeNat();
    const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
    const text = fc.string({ unit: 'grapheme' });
    const extra = fc.record(
      { char: text, patch_index: size, coherence_score: finite, is_named: fc.boolean() },
      { requiredKeys: [] },
    );
    const metadata = fc.record(
      { startOffset: size, endOffset: size, confidence: fc.float({ noNaN: true }), extra },
      { requiredKeys: ['startOffset', 'endOffset', 'confidence'] },
    );
    const node: fc.Arbitrary<HypergraphNode> = fc.oneof(
      fc.record({ kind: fc.constant('trunk' as const), sourceHash: text, totalBytes: size }),
      fc.record({ kind: fc.constant('branch' as const), label: text, modality: text }),
      fc.record({ kind: fc.constant('leaf' as const), label: text, metadata }, { requiredKeys: ['kind'] }),
    );
    fc.assert(
      fc.property(node, (value) => {
        expect(decodeNode(encodeNode(value))).toEqual(value);
      }),
    );
    const edge = fc.record({ vertices: fc.array(size), label: text, weight: fc.float({ noNaN: true }) });
    fc.assert(
      fc.property(edge, (value) => {
        expect(decodeEdge(encodeEdge(value))).toEqual(value);
      }),
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'refuse %d as a score, which would shift all that follows',
    (score) => {
      const metadata = { startOffset: 0, endOffset: 1, confidence: 1, extra: { coherence_score: score } };
      expect(() => encodeNode({ kind: 'leaf', metadata })).toThrow(expect.objectContaining({ code: 'BAD_NODE' }));
    },
  );

  it('refuse an extra whose type is not known, on both sides', () => {
    const metadata = { startOffset: 0, endOffset: 1, confidence: 1, extra: { colour: 'red' } };
    expect(() => encodeNode({ kind: 'leaf', metadata })).toThrow(expect.objectContaining({ code: 'BAD_NODE' }));
    const blob = Buffer.from(`020001${'0001'}0000803f0101${'06'}${ascii('colour')}03${ascii('red')}`, 'hex');
    expect(() => decodeNode(blob)).toThrow(expect.objectContaining({ code: 'BAD_BINCODE' }));
  });
});
