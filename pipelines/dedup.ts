import { definePipeline, PipelineError } from 'sluice';
import { dedup } from 'sluice/operators';
import { jsonl, parquet } from 'sluice/sinks';
import { type Columns, files } from 'sluice/sources';
import { z } from 'zod';

const parameters = z.object({
  input: z.string().describe('file, folder or pattern: JSONL, Parquet, tar, text, anything'),
  threshold: z
    .number()
    .gt(0, 'it lies between 0 and 1, both excluded')
    .lt(1, 'it lies between 0 and 1, both excluded; for equal documents there is --exact')
    .optional()
    .describe('least similarity of duplicates; bands follow from it (default: 0.7, with 14 bands of 8 rows)'),
  shingle: z
    .string()
    .regex(/^\d+( (bytes?|words?))?$/, "it takes a number of bytes, or of words: 5, 24, '5 words'")
    .optional()
    .describe("what documents are compared by: runs of this many bytes, or words: '5 words' (default: 5)"),
  bands: z
    .int()
    .positive()
    .optional()
    .describe('bands of a signature, with --rows; else they follow from the threshold'),
  rows: z.int().positive().optional().describe('rows of a band'),
  exact: z.boolean().default(false).describe('drop documents with equal bytes only'),
  verify: z
    .enum(['signature', 'jaccard'])
    .optional()
    .describe('what a pair is verified by; jaccard is exact (default: signature)'),
  textColumn: z.string().default('text').describe('column of JSONL and Parquet rows that holds the document'),
  idColumn: z.string().optional().describe('column that names a document; else its file and position do'),
  columns: z
    .string()
    .regex(/^\S+:\S+( \S+:\S+)*$/, "it takes names and kinds: 'lang:string score:double?'")
    .optional()
    .describe("other columns to keep, with their kinds: 'lang:string score:double? tags:list<string>'"),
  against: z.string().optional().describe('output of an earlier run of this pipeline: its documents come first'),
  index: z.enum(['keep', 'drop']).default('keep').describe('keep what a later run needs to come --against this one'),
  format: z.enum(['jsonl', 'parquet']).default('jsonl').describe('kept.jsonl, or kept/<split>-<n>.parquet'),
});

const report = { duplicates: 'duplicates.jsonl', clusters: 'clusters.jsonl', report: 'report.json' };

type Parameters = z.output<typeof parameters>;

/** Runs of bytes or of words, as `5`, `24 bytes` or `5 words`. */
function shingleOf(text: string): { of: 'bytes' | 'words'; length: number } {
  const [length, unit = 'bytes'] = text.split(' ');
  return { of: unit.startsWith('word') ? 'words' : 'bytes', length: Number(length) };
}

/** Text and id are columns as well, once any is named. */
function columnsOf({ columns, textColumn, idColumn }: Parameters): Columns | undefined {
  if (columns === undefined) return undefined;
  const named = columns.split(' ').map((column) => {
    const at = column.lastIndexOf(':');
    return [column.slice(0, at), column.slice(at + 1)] as const;
  });
  const usual = [textColumn, ...(idColumn === undefined ? [] : [idColumn])].map((name) => [name, 'string'] as const);
  // files() says what is no kind
  return Object.fromEntries([...usual, ...named]) as Columns;
}

export default definePipeline('dedup', parameters, (p) => {
  const { bands, rows } = p;
  if ((bands === undefined) !== (rows === undefined)) {
    throw new PipelineError('bands and rows belong together, and one of them is missing', {
      code: 'BAD_BANDS',
      hint: 'give both --bands and --rows, or neither',
    });
  }
  const source = files(p.input, { text: p.textColumn, id: p.idColumn, columns: columnsOf(p) });
  return definePipeline('dedup', source, { splitBytes: 32 << 20 })
    .pipe(
      dedup({
        scope: 'corpus',
        threshold: p.threshold,
        shingle: p.shingle === undefined ? undefined : shingleOf(p.shingle),
        banding: bands !== undefined && rows !== undefined ? { bands, rows } : undefined,
        near: !p.exact,
        verify: p.verify,
        corpus: { against: p.against, keepIndex: p.index === 'keep', files: report },
      }),
    )
    .to(p.format === 'jsonl' ? jsonl('kept', { into: 'kept.jsonl' }) : parquet('kept'));
});
