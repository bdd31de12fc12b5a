import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { QUANTIZATION_QUALITY_FORMAT } from '../../src/formats/names.ts';
import { resolveChain } from '../../src/quantization/index.ts';
import { quantizationOf } from '../../src/report/quantizationReport.ts';
import { temporaryFolder } from '../sinks/flow.ts';

describe('what inspect tells of quantized fields', () => {
  it('is what was measured, where archives or tables alone hold them; of a field without rows, nothing', async () => {
    const root = await temporaryFolder();
    const chain = resolveChain('pca:64+int8');
    const quality = { rows: 9, mse: 0.4, max_error: 3, relative_error: 0.1, ratio: 7.76, shared_bytes: 33_536 };
    const fields = { embeddings: { chain, columns: 128, rows_seen: 9, quality }, entropy: { chain, rows_seen: 0 } };
    await writeFile(path.join(root, 'quality.json'), JSON.stringify({ format: QUANTIZATION_QUALITY_FORMAT, fields }));
    const artefact = { path: 'quality.json', bytes: 1, sha256: '', info: { format: QUANTIZATION_QUALITY_FORMAT } };
    expect(await quantizationOf(root, [artefact])).toEqual({
      quantization: [{ tensor: 'embeddings', schemes: 'pca:64+int8', columns: 128, rows: 9, quality }],
    });
    expect(await quantizationOf(root, [])).toEqual({});
  });
});
