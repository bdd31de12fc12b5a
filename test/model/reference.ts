import { describe, expect, it } from 'vitest';
import { type EncodedPiece, type EncodeOptions, type EntropyModel, patchLengths } from '../../src/model/index.ts';
import { golden, largestDifference, modelCases, patchCases } from './golden.ts';
import { expectGolden, expectNorms, TOLERANCE } from './goldenChecks.ts';

/** Everything that `encode` says about a document. */
export async function encodeAll(model: EntropyModel, bytes: Uint8Array, options: EncodeOptions = {}) {
  const pieces: EncodedPiece[] = [];
  for await (const piece of model.encode(bytes, options)) pieces.push(piece);
  const join = (parts: readonly (Float32Array | undefined)[]) => {
    const joined = new Float32Array(parts.reduce((length, part) => length + (part?.length ?? 0), 0));
    let at = 0;
    for (const part of parts) {
      joined.set(part ?? [], at);
      at += part?.length ?? 0;
    }
    return joined;
  };
  return {
    pieces,
    entropies: join(pieces.map((piece) => piece.entropies)),
    norms: join(pieces.map((piece) => piece.norms)),
    preNorm: join(pieces.map((piece) => piece.preNorm)),
  };
}

/** Holds models, asked for by the names of their folders, to all reference outputs. */
export function conformsToReference(modelOf: (name: string) => EntropyModel): void {
  describe('reference mode', () => {
    const plain = modelCases.filter((given) => given.kind === undefined && given.chunk === undefined);

    it.each(plain)('computes $id', async (given) => {
      const model = modelOf(given.model);
      const found = await model.referenceTokens(given.token_ids, { preNorm: true, logits: true });
      expectGolden(given, found, model.dim);
    });

    it('starts anew every 8192 tokens', async () => {
      const given = modelCases.find(({ chunk }) => chunk !== undefined)!;
      const found = await modelOf(given.model).referenceTokens(golden(given.tensors.token_ids!));
      expect(largestDifference(found.entropies, golden(given.tensors.entropies!))).toBeLessThan(TOLERANCE.entropy);
      expectNorms(found.norms, golden(given.tensors.prenorm_l2!));
    });

    it('keeps the rows of a batch apart', async () => {
      const given = modelCases.find(({ kind }) => kind === 'batch_flatten_quirk')!;
      for (const [i, ids] of given.batch_token_ids!.entries()) {
        const found = await modelOf(given.model).referenceTokens(ids);
        expect(largestDifference(found.entropies, given.entropies_row_by_row![i]!)).toBeLessThan(TOLERANCE.entropy);
      }
    });

    it('gives the reference patches from its own entropies wherever the margin allows', async () => {
      const own = new Map<string, Float32Array>();
      for (const given of plain)
        own.set(given.id, (await modelOf(given.model).referenceTokens(given.token_ids)).entropies);
      let compared = 0;
      for (const given of patchCases) {
        const source = plain.find(({ id }) => id === given.source.model_case);
        if (source === undefined || given.options.patching_mode !== 'entropy') continue;
        if (given.decision_margin === null || given.decision_margin === undefined) continue;
        if (given.decision_margin < TOLERANCE.entropy) continue;
        const { threshold, monotonicity, threshold_add, max_patch_length } = given.options;
        const lengths = patchLengths(source.token_ids, own.get(source.id), {
          threshold,
          monotonicity,
          thresholdAdd: threshold_add,
          maxPatchLength: max_patch_length,
          includeNextToken: given.include_next_token,
        });
        expect([...lengths], given.id).toEqual(given.patch_lengths);
        compared++;
      }
      expect(compared).toBeGreaterThan(100);
    });

    it('refuses what is no token id', async () => {
      for (const id of [-1, 260, 0.5])
        await expect(modelOf('w24-bf16').referenceTokens([1, id])).rejects.toThrow('not a token id');
    });
  });

  describe('stream mode', () => {
    it.each(modelCases.filter(({ text, bytes_hex, add_bos }) => add_bos && (text || bytes_hex)))(
      'is the byte view of $id: BOS speaks about byte 0, EOS is left out',
      async (given) => {
        const bytes = given.bytes_hex === undefined ? Buffer.from(given.text!) : Buffer.from(given.bytes_hex, 'hex');
        const found = await encodeAll(modelOf(given.model), bytes, { preNorm: true });
        expect(largestDifference(found.entropies, given.entropies.slice(0, bytes.length))).toBeLessThan(
          TOLERANCE.entropy,
        );
        expectNorms(found.norms, given.prenorm_l2.slice(1, bytes.length + 1));
        expect(found.preNorm.length).toBe(bytes.length * modelOf(given.model).dim);
      },
    );
  });
}
