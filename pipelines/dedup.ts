import { definePipeline, PipelineError } from 'sluice';
import { dedup } from 'sluice/operators';
import { jsonl, parquet } from 'sluice/sinks';
import { files } from 'sluice/sources';
import { z } from 'zod';

const parameters = z.object({
  input: z.string().describe('file, folder or pattern: JSONL, Parquet, tar, text, anything'),
  threshold: z
    .number()
    .gt(0, 'it lies between 0 and 1')
    .lt(1, 'it lies between 0 and 1')
    .optional()
    .describe('least similarity of duplicates; bands follow from it (default: 0.7, with 14 bands of 8 rows)'),
  shingle: z
    .string()
    .regex(/^\d+( words)?$/, "it takes a number of bytes, or of words: 5, 24, '5 words'")
    .default('5')
    .describe("what documents are compared by: runs of this many bytes, or words: '5 words'"),
  bands: z
    .int()
    .positive()
    .optional()
    .describe('bands of a signature, with --rows; else they follow from the threshold'),
  rows: z.int().positive().optional().describe('rows of a band'),
  exact: z.boolean().default(false).describe('drop documents with equal bytes only'),
  verify: z
    .enum(['signature', 'jaccard'])
    .default('signature')
    .describe('what a pair is verified by; jaccard is exact'),
  textColumn: z.string().default('text').describe('column of JSONL and Parquet rows that holds the document'),
  idColumn: z.string().optional().describe('column that names a document'),
  against: z.string().optional().describe('output of an earlier run of this pipeline: its documents come first'),
  index: z.enum(['keep', 'drop']).default('keep').describe('keep what a later run needs to come --against this one'),
  format: z.enum(['jsonl', 'parquet']).default('jsonl').describe('kept.jsonl, or kept/<split>-<n>.parquet'),
});

const report = { duplicates: 'duplicates.jsonl', clusters: 'clusters.jsonl', report: 'report.json' };

export default definePipeline('dedup', parameters, (p) => {
  const [length, words] = p.shingle.split(' ');
  const { bands, rows } = p;
  if ((bands === undefined) !== (rows === undefined)) {
    throw new PipelineError('bands and rows belong together, and one of them is missing', {
      code: 'BAD_BANDS',
      hint: 'give both --bands and --rows, or neither',
    });
  }
  return definePipeline('dedup', files(p.input, { text: p.textColumn, id: p.idColumn }), { splitBytes: 32 << 20 })
    .pipe(
      dedup({
        scope: 'corpus',
        threshold: p.threshold,
        shingle: { of: words === undefined ? 'bytes' : 'words', length: Number(length) },
        banding: bands !== undefined && rows !== undefined ? { bands, rows } : undefined,
        near: !p.exact,
        verify: p.verify,
        corpus: { against: p.against, keepIndex: p.index === 'keep', files: report },
      }),
    )
    .to(p.format === 'jsonl' ? jsonl('kept', { into: 'kept.jsonl' }) : parquet('kept'));
});
