import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SluiceError } from '../../src/errors.ts';
import {
  chainName,
  openStored,
  parseQuantization,
  partColumn,
  partTensor,
  partTensors,
  quantizationText,
  requireParts,
  type StoredTensors,
  storedQuantizations,
} from '../../src/quantization/fieldTensors.ts';
import { QUANTIZED_FIELDS, type QuantizedFieldName } from '../../src/records.ts';
import { anyChain, quantizerOf } from '../layouts/quantizedFlow.ts';

const noFile = () => Promise.reject(new Error('no file is named'));
const anyField = fc.constantFrom(...QUANTIZED_FIELDS);
const file = { path: 'quantizer/quantizer.safetensors', sha256: 'ab'.repeat(32) };

describe('names of quantized fields', () => {
  it('are those of the float32 tensors, and of the parts', () => {
    expect(partTensor('embeddings', 'pq.codebooks')).toBe('embeddings.pq.codebooks');
    expect(partTensors('entropy', quantizerOf('int8', 1), 7)).toEqual([
      { name: 'patch_entropies.codes', dtype: 'I8', shape: [7, 1] },
      { name: 'patch_entropies.scales', dtype: 'F16', shape: [7] },
    ]);
    expect(partColumn('embedding', 'codes')).toBe('embedding_codes');
    expect(chainName(quantizerOf('pca:2+int8').chain)).toBe('pca+int8');
  });
});

describe('what a file says of its quantization', () => {
  it('is read as it was written, in the order of the fields', () => {
    const said = fc.record({ field: anyField, to: anyChain, refers: fc.boolean() });
    fc.assert(
      fc.property(fc.uniqueArray(said, { selector: ({ field }) => field }), (all) => {
        const written = all.map(({ field, to, refers }) => {
          const { chain, columns } = quantizerOf(to);
          return { field, chain, columns, ...(refers && { file }) };
        });
        const text = quantizationText(written);
        const read = parseQuantization(text);
        expect(read.map(({ tensor: _, ...stored }) => stored)).toEqual(
          QUANTIZED_FIELDS.flatMap((name) => written.filter(({ field }) => field === name)),
        );
        expect(quantizationText(read)).toBe(text);
      }),
    );
  });

  it('is nothing where nothing is said', () => {
    expect(parseQuantization(undefined)).toEqual([]);
    expect(parseQuantization('{}')).toEqual([]);
  });

  it.each([
    ['null', 'no object'],
    ['[]', 'no object'],
    ['{', 'no JSON'],
    ['{"embeddings":1}', 'what it says of embeddings is no object'],
    ['{"embedding":{}}', "it tells of 'embedding', which is no field"],
    ['{"embeddings":{"columns":4}}', 'the chain of embeddings cannot be used'],
    ['{"embeddings":{"columns":4,"chain":[]}}', 'the chain of embeddings cannot be used: quantization: it is empty'],
    ['{"embeddings":{"columns":4,"chain":[{}]}}', 'the chain of embeddings cannot be used'],
    ['{"embeddings":{"columns":4,"chain":[{"scheme":["int8"]}]}}', 'the chain of embeddings cannot be used'],
    ['{"embeddings":{"columns":4,"chain":[{"scheme":"int8","options":{"bits":3}}]}}', 'cannot be used'],
    ['{"embeddings":{"columns":4,"chain":[null]}}', 'the chain of embeddings cannot be used'],
    ['{"embeddings":{"columns":0,"chain":[{"scheme":"int8"}]}}', 'embeddings has 0 columns'],
    ['{"embeddings":{"columns":1e15,"chain":[{"scheme":"int8"}]}}', 'embeddings has 1000000000000000 columns'],
    ['{"embeddings":{"columns":4,"chain":[{"scheme":"int8"}],"sha256":"00"}}', 'does not name the file'],
    ['{"embeddings":{"columns":4,"chain":[{"scheme":"int8"}],"quantizer":"/etc/x","sha256":"00"}}', 'does not name'],
    ['{"embeddings":{"columns":4,"chain":[{"scheme":"int8"}],"quantizer":"a/../../x","sha256":"00"}}', 'does not name'],
  ])('is refused where it is %s', (text, message) => {
    expect(() => parseQuantization(text)).toThrow(
      expect.objectContaining({ code: 'BAD_QUANTIZATION', message: expect.stringContaining(message) }),
    );
  });

  it('is an error of ours, whatever it is', () => {
    const scheme = fc.oneof(fc.constantFrom('int8', 'pca', 'pq', 'variable'), fc.jsonValue());
    const link = fc.oneof(fc.jsonValue(), fc.record({ scheme, options: fc.oneof(fc.jsonValue(), fc.constant({})) }));
    const entry = fc.record({
      chain: fc.oneof(fc.jsonValue(), fc.array(link)),
      columns: fc.oneof(fc.jsonValue(), fc.nat()),
    });
    const hostile = fc.oneof(fc.jsonValue(), fc.dictionary(anyField, fc.oneof(entry, fc.jsonValue())));
    fc.assert(
      fc.property(hostile, (value) => {
        try {
          storedQuantizations(value);
        } catch (error) {
          expect(error).toBeInstanceOf(SluiceError);
          expect(error).toMatchObject({ code: 'BAD_QUANTIZATION' });
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a stored quantizer', () => {
  /** The tensors of a field as a file has them. */
  function stored(to: string, field: QuantizedFieldName = 'embeddings') {
    const quantizer = quantizerOf(to as 'int8');
    const tensors = new Map<string, { name: string; dtype: 'F32'; shape: readonly number[] }>();
    for (const { name, shape } of quantizer.trained) {
      const full = partTensor(field, name);
      tensors.set(full, { name: full, dtype: 'F32', shape });
    }
    const here: StoredTensors = {
      tensors,
      read: async (name) => {
        const { values } = quantizer.trained.find((learned) => partTensor(field, learned.name) === name) ?? {};
        return Buffer.from(values?.buffer ?? new ArrayBuffer(0));
      },
    };
    const [said] = parseQuantization(quantizationText([{ field, ...quantizer, file: undefined }]));
    if (said === undefined) throw new Error('nothing is said');
    return { quantizer, said, here };
  }

  it('decodes what the first one encoded, with what lies beside it', async () => {
    const rows = Float32Array.from({ length: 40 }, (_, i) => Math.fround(1 + ((i * 7) % 11) / 8));
    await fc.assert(
      fc.asyncProperty(anyChain, fc.constantFrom('embeddings', 'entropy'), async (to, field) => {
        const { quantizer, said, here } = stored(to, field);
        const opened = await openStored(said, here, noFile);
        expect(opened.decode(quantizer.encode(rows))).toEqual(quantizer.decode(quantizer.encode(rows)));
      }),
    );
  });

  it('comes from the file that is named, where that is the one', async () => {
    const { quantizer, said, here } = stored('pq:2');
    const named = { ...said, file };
    const open = (sha256: string, quantizers = new Map([['embeddings' as const, quantizer]])) =>
      openStored(named, here, async () => ({ sha256, quantizers }));
    expect(await open(file.sha256)).toBe(quantizer);
    await expect(open('other')).rejects.toMatchObject({
      code: 'BAD_QUANTIZATION',
      message: expect.stringContaining('SHA-256'),
    });
    for (const others of [new Map(), new Map([['embeddings' as const, quantizerOf('pca:2')]])]) {
      await expect(open(file.sha256, others)).rejects.toMatchObject({
        message: expect.stringContaining('quantized by something else than quantizer/quantizer.safetensors has for it'),
      });
    }
  });

  it('is refused without what it has learned', async () => {
    const { said } = stored('pca:2');
    const nothing = { tensors: new Map(), read: async () => new Uint8Array(0) };
    await expect(openStored(said, nothing, noFile)).rejects.toMatchObject({ code: 'QUANTIZER_TENSOR' });
  });

  it('asks for all its parts, with their types and shapes', () => {
    const quantizer = quantizerOf('int8');
    const tensors = new Map(partTensors('embeddings', quantizer, 3).map((spec) => [spec.name, spec]));
    const check = (rows: number) => () => requireParts({ field: 'embeddings' }, quantizer, rows, tensors);
    expect(check(3)).not.toThrow();
    expect(check(4)).toThrow(/embeddings.codes should be I8 \[4, 4\], and is I8 \[3, 4\]/);
    tensors.delete('embeddings.scales');
    expect(check(3)).toThrow(/embeddings.scales should be F16 \[3\], and is missing/);
  });
});
