import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openQuantizer, type Quantizer, resolveChain, trainQuantizer } from '../../../src/quantization/index.ts';
import { novelEmbeddings } from '../embeddings.ts';
import { normalRows } from '../random.ts';
import { plainNearest } from '../vectors/plain.ts';

const columns = 12;

function opened(subquantizers: number, codebooks: Float32Array): Quantizer {
  const shape = [subquantizers, 256, columns / subquantizers];
  const tensor = { name: 'pq.codebooks', shape, values: codebooks };
  return openQuantizer(resolveChain({ scheme: 'pq', subquantizers }), columns, [tensor]);
}

/** A decoder after the layout of a FAISS ProductQuantizer: centroids [M, ksub, dsub] row by row, a byte a part. */
function decodedAsFaiss(codes: Uint8Array, centroids: Float32Array, M: number, dsub: number): Float32Array {
  const ksub = 256;
  const rows = new Float32Array(codes.length * dsub);
  for (let row = 0; row < codes.length / M; row++) {
    for (let m = 0; m < M; m++) {
      const k = codes[row * M + m]!;
      const centroid = centroids.subarray((m * ksub + k) * dsub, (m * ksub + k + 1) * dsub);
      rows.set(centroid, row * M * dsub + m * dsub);
    }
  }
  return rows;
}

const errorOf = (rows: Float32Array, quantizer: Quantizer): number => {
  const decoded = quantizer.decode(quantizer.encode(rows));
  return rows.reduce((sum, value, i) => sum + (value - decoded[i]!) ** 2, 0) / rows.length;
};

describe('product quantization', () => {
  it.each([1, 3, 4, 12])('gives the nearest centroids of %i parts, and their numbers back', (subquantizers) => {
    const codebooks = normalRows(1, 256, columns);
    const rows = normalRows(2, 50, columns);
    const quantizer = opened(subquantizers, codebooks);
    const dims = columns / subquantizers;
    const [codes, ...rest] = quantizer.encode(rows);
    expect(rest).toEqual([]);
    expect(quantizer.parts).toEqual([{ name: 'codes', dtype: 'U8', shape: [subquantizers], rowBytes: subquantizers }]);
    expect(codes).toEqual(plainNearest(rows, codebooks, subquantizers, dims));
    expect(quantizer.decode([codes!])).toEqual(decodedAsFaiss(codes!, codebooks, subquantizers, dims));
  });

  it('gives the codes of FAISS with centroids of FAISS, and decodes them to the same bits', () => {
    const golden = JSON.parse(readFileSync('test/fixtures/quantization/faiss.json', 'utf8'));
    const bytes = (name: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(golden[name], 'base64'));
    const codebooks = new Float32Array(bytes('codebooks_f32').buffer);
    const tensor = { name: 'pq.codebooks', shape: [4, 256, 4], values: codebooks };
    const quantizer = openQuantizer(resolveChain({ scheme: 'pq', subquantizers: 4 }), 16, [tensor]);
    const encoded = quantizer.encode(new Float32Array(bytes('rows_f32').buffer));
    expect(encoded).toEqual([bytes('codes_u8')]);
    expect(quantizer.decode(encoded)).toEqual(new Float32Array(bytes('decoded_f32').buffer));
  });

  it('reads every code that there can be, and codes what it has decoded as before', () => {
    const quantizer = opened(3, normalRows(1, 256, columns));
    const codes = fc
      .uint8Array({ minLength: 0, maxLength: 90 })
      .map((all) => all.slice(0, 3 * Math.floor(all.length / 3)));
    fc.assert(
      fc.property(codes, (given) => {
        expect(quantizer.encode(quantizer.decode([given]))).toEqual([given]);
      }),
    );
  });

  it('takes the first of equal distances', () => {
    const codebooks = new Float32Array(256 * columns).fill(100);
    // parts of four numbers: the second part finds centroids 7 and 9 at the same distance
    codebooks.fill(1, 4 * (256 + 7), 4 * (256 + 8));
    codebooks.fill(3, 4 * (256 + 9), 4 * (256 + 10));
    expect([...opened(3, codebooks).encode(new Float32Array(columns).fill(2))[0]!]).toEqual([0, 7, 0]);
  });

  it('learns codebooks f32[m, 256, columns / m] with less error than those of a plain draw of rows', async () => {
    const { rows, columns: width } = await novelEmbeddings(1);
    const quantizer = trainQuantizer(resolveChain('pq'), { columns: width, rows, seed: 0 });
    expect(quantizer.trained.map(({ name, shape }) => [name, shape])).toEqual([['pq.codebooks', [16, 256, 8]]]);
    const drawn = Float32Array.from({ length: 256 * width }, (_, at) => {
      const [book, k, d] = [Math.floor(at / 2048), Math.floor(at / 8) % 256, at % 8];
      return rows[k * width + book * 8 + d]!;
    });
    const plain = openQuantizer(resolveChain('pq'), width, [{ ...quantizer.trained[0]!, values: drawn }]);
    expect(errorOf(rows, quantizer)).toBeLessThan(0.7 * errorOf(rows, plain));
  });

  it('learns the same bits on every machine', () => {
    const sample = { columns, rows: normalRows(3, 600, columns), seed: 5 };
    const chain = resolveChain({ scheme: 'pq', subquantizers: 3, iterations: 4 });
    const { trained } = trainQuantizer(chain, sample);
    const digest = createHash('sha256').update(new Uint8Array(trained[0]!.values.buffer)).digest('hex');
    expect(digest.slice(0, 16)).toBe('ef9cf251750b9dd3');
  });

  it('learns from the first 65,536 rows', () => {
    const rows = new Float32Array(65_536 + 256).map((_, i) => (i < 65_536 ? i % 300 : 1e6));
    const quantizer = trainQuantizer(resolveChain({ scheme: 'pq', iterations: 1 }), { columns: 1, rows, seed: 0 });
    expect(Math.max(...quantizer.trained[0]!.values)).toBeLessThan(300);
  });

  it('has a subquantizer for about eight columns unless told', () => {
    const given = new Map([
      [1, 1],
      [7, 1],
      [12, 1],
      [16, 2],
      [100, 10],
      [127, 1],
      [128, 16],
      [768, 96],
    ]);
    for (const [width, wanted] of given) {
      const trained = [
        { name: 'pq.codebooks', shape: [wanted, 256, width / wanted], values: new Float32Array(256 * width) },
      ];
      expect(openQuantizer(resolveChain('pq'), width, trained).parts[0]!.rowBytes).toBe(wanted);
    }
    expect(resolveChain('pq')).toEqual([{ scheme: 'pq', options: { subquantizers: 'auto', iterations: 25 } }]);
  });

  it('refuses options, samples and codes that it cannot use', () => {
    const sample = { columns, rows: new Float32Array(255 * columns), seed: 0 };
    expect(() => trainQuantizer(resolveChain({ scheme: 'pq', subquantizers: 5 }), sample)).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', hint: 'subquantizers may be 1, 2, 3, 4, 6, 12' }),
    );
    expect(() => trainQuantizer(resolveChain('pq'), sample)).toThrow(
      expect.objectContaining({ code: 'QUANTIZE_SAMPLE', message: expect.stringContaining('255 rows') }),
    );
    for (const options of [
      { subquantizers: 0 },
      { subquantizers: 1.5 },
      { iterations: 0 },
      { iterations: Number.NaN },
    ]) {
      expect(() => resolveChain({ scheme: 'pq', ...options })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
    }
    const quantizer = opened(3, normalRows(1, 256, columns));
    expect(() => quantizer.decode([new Uint8Array(4)])).toThrow(expect.objectContaining({ code: 'QUANTIZE_CODE' }));
    const rows = new Float32Array(3 * columns);
    rows[columns + 2] = Number.NaN;
    expect(() => quantizer.encode(rows)).toThrow(
      expect.objectContaining({ code: 'QUANTIZE_VALUE', message: expect.stringContaining('row 1, column 2') }),
    );
  });
});
