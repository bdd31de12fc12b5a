import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveChain } from '../../src/quantization/chain.ts';
import { trainQuantizer } from '../../src/quantization/quantizer.ts';
import { quantizerChunks, readQuantizers } from '../../src/quantization/quantizerFile.ts';
import { temporaryFolder } from '../sinks/flow.ts';

const rows = Float32Array.from({ length: 300 * 8 }, (_, i) => Math.sqrt((i * 37) % 101));

describe('a file of quantizers', () => {
  it.each(['pca:2', 'pq:2', 'autoencoder:2'])(
    'of %s with numbers that nobody learns is refused, by its name',
    async (to) => {
      const file = path.join(await temporaryFolder(), 'q.safetensors');
      const quantizer = trainQuantizer(resolveChain(to), { columns: 8, rows, seed: 0 });
      for (const number of [Number.NaN, Number.POSITIVE_INFINITY]) {
        for (const { name } of quantizer.trained) {
          const trained = quantizer.trained.map((tensor) =>
            tensor.name === name ? { ...tensor, values: tensor.values.with(1, number) } : tensor,
          );
          await writeFile(file, quantizerChunks(new Map([['embeddings', { ...quantizer, trained }]])));
          await expect(readQuantizers(file)).rejects.toMatchObject({
            code: 'QUANTIZER_TENSOR',
            path: file,
            message: `${file}: ${name} holds ${number}, number 1`,
          });
        }
      }
    },
  );

  it('with less than it says, or another scheme, is refused by its name', async () => {
    const file = path.join(await temporaryFolder(), 'q.safetensors');
    const quantizer = trainQuantizer(resolveChain('pca:2'), { columns: 8, rows, seed: 0 });
    const write = (changed: Partial<typeof quantizer>) =>
      writeFile(file, quantizerChunks(new Map([['embeddings', { ...quantizer, ...changed }]])));
    await write({ trained: [] });
    await expect(readQuantizers(file)).rejects.toMatchObject({ code: 'QUANTIZER_TENSOR', path: file });
    await write({ chain: [{ scheme: 'constructor', options: {} }] });
    await expect(readQuantizers(file)).rejects.toMatchObject({ code: 'BAD_QUANTIZATION', path: file });
  });
});
