import { definePipeline, type Patches, PipelineError, type Stream } from 'sluice';
import { attach, embed, patch, pretokenize, quantize } from 'sluice/operators';
import { hypergraph, safetensors } from 'sluice/sinks';
import { type Columns, files, hf } from 'sluice/sources';
import { z } from 'zod';

const parameters = z.object({
  input: z.string().optional().describe('file, folder or pattern: files of any kind'),
  dataset: z.string().optional().describe('or a dataset on the Hub: owner/name'),
  config: z.string().optional().describe('part of it, where it has several'),
  split: z.string().default('train').describe('split of that part'),
  revision: z.string().default('main').describe('branch, tag or commit; a run is pinned to the commit it finds'),
  textColumn: z.string().default('text').describe('column that holds the text of a row'),
  idColumn: z.string().optional().describe('column that names a row'),
  files: z
    .array(z.string())
    .default(['image'])
    .describe("columns that hold files or point to them, lists with their kind: image 'frames:list<file>?'"),
  columns: z
    .string()
    .regex(/^\S+:\S+( \S+:\S+)*$/, "it takes names and kinds: 'lang:string score:double?'")
    .optional()
    .describe("other columns to keep, with their kinds: 'lang:string score:double?'"),
  base: z
    .string()
    .optional()
    .describe('what paths are relative to: a folder or hf://datasets/owner/name (default: the dataset)'),
  archives: z
    .array(z.string())
    .default([])
    .describe("archives that hold the files: images.zip 'hf://datasets/owner/raw/images_{1..11}.tar.gz'"),
  prefix: z.string().default('').describe('what paths into the archives begin with, such as images/'),
  hosts: z
    .array(z.string())
    .default([])
    .describe('hosts and buckets that rows may name besides the Hub: example.org s3://bucket'),
  onMissing: z
    .enum(['reference', 'record'])
    .default('reference')
    .describe('what a file that cannot be had takes with it: itself, or the record with all its views'),
  maxFileBytes: z
    .int()
    .positive()
    .optional()
    .describe('bytes of a file at most (default: 256 MiB of an input, in memory for each split; 32 MiB of a dataset)'),
  patchSize: z.int().positive().default(16).describe('side of the squares that pictures are cut into'),
  fit: z
    .int()
    .nonnegative()
    .default(512)
    .describe('pixels to which the longest side of larger pictures is scaled; 0: as they are'),
  maxPixels: z.int().positive().optional().describe('pixels of a picture, all its frames together, at most'),
  sampleRate: z.int().positive().default(16_000).describe('samples a second that sound is brought to'),
  fps: z.number().positive().default(1).describe('frames of a video to take for each second'),
  pdfMode: z
    .enum(['raw', 'text', 'image', 'multiview'])
    .default('text')
    .describe(
      'what PDF files become: their bytes, the text of their pages, pictures of them, or linked views of all three',
    ),
  model: z.string().optional().describe('model folder or .gguf file; the embedded model otherwise'),
  quantize: z
    .string()
    .optional()
    .describe('what embeddings become: int8, int4, pq:16, pca:64+int8 ... (default: float32)'),
  cache: z.boolean().default(false).describe('keep whole tables in the Hub cache instead of streaming their columns'),
});

type Parameters = z.output<typeof parameters>;

/** Name and kind of a column, of `name:kind`; a name alone has the usual kind. */
function named(column: string, usual: string): readonly [name: string, kind: string] {
  const at = column.lastIndexOf(':');
  return at === -1 ? [column, usual] : [column.slice(0, at), column.slice(at + 1)];
}

function columnsOf({ textColumn, idColumn, columns, files }: Parameters): Columns {
  const own = [textColumn, ...(idColumn === undefined ? [] : [idColumn]), ...(columns?.split(' ') ?? [])];
  // hf() says what is no kind
  return Object.fromEntries([
    ...own.map((column) => named(column, 'string')),
    ...files.map((column) => named(column, 'file?')),
  ]) as Columns;
}

/** Every kind of content in one pretokenize: the options that people change, as parameters. */
function everything({ patchSize, fit, maxPixels, sampleRate, fps, pdfMode }: Parameters) {
  return pretokenize({
    image: { patchSize, fit, ...(maxPixels === undefined ? {} : { maxPixels }) },
    audio: { sampleRate },
    video: { frames: { fps }, audio: { sampleRate } },
    pdf: { mode: pdfMode },
  });
}

function written({ quantize: to }: Parameters, patches: Stream<Patches>) {
  const values = to === undefined ? patches : patches.pipe(quantize({ to }));
  return values.to(safetensors('shards'), hypergraph('shards'));
}

/**
 * Files of any kind; or a dataset of texts and images (or other files) from the Hub: the files that its rows hold or point
 * to become views of their records, beside the text.
 *
 *     sluice run multimodal --input ~/my-data
 *     sluice run multimodal --dataset owner/name --files image --prefix images/ --archives 'images_{1..11}.tar.gz'
 */
export default definePipeline('multimodal', parameters, (p) => {
  if ((p.input === undefined) === (p.dataset === undefined)) {
    throw new PipelineError('it reads either an input or a dataset', {
      code: 'BAD_OPTION',
      hint: 'give --input FOLDER, or --dataset owner/name',
    });
  }
  if (p.prefix !== '' && p.archives.length === 0) {
    throw new PipelineError('a prefix belongs to archives, and none are given', {
      code: 'BAD_OPTION',
      hint: 'give --archives as well, or leave out --prefix',
    });
  }
  if (p.dataset === undefined) {
    const source = files(p.input ?? '', {
      text: p.textColumn,
      id: p.idColumn,
      maxDocumentBytes: p.maxFileBytes ?? 256 << 20,
    });
    return written(
      p,
      definePipeline('multimodal', source).pipe(everything(p), embed({ model: p.model }), patch({ threshold: 'auto' })),
    );
  }
  const { dataset, config, split, revision, textColumn: text, idColumn: id, cache } = p;
  const source = hf(dataset, { config, split, revision, text, id, columns: columnsOf(p), remote: { cache } });
  return written(
    p,
    definePipeline('multimodal', source, { splitBytes: 32 << 20 }).pipe(
      attach({
        columns: p.files.map((column) => named(column, '')[0]),
        base: p.base,
        archives: p.archives.length === 0 ? [] : [{ prefix: p.prefix, archives: p.archives }],
        hosts: p.hosts,
        onMissing: p.onMissing,
        maxReferenceBytes: p.maxFileBytes ?? 32 << 20,
      }),
      everything(p),
      embed({ model: p.model }),
      patch({ threshold: 'auto' }),
    ),
  );
});
