/** Runs a pipeline with `dedup` into the folder that is named, in a process that a test can end. */
import { type Document, definePipeline, run, type Source, type Split } from 'sluice';
import { pull } from 'sluice/flow';
import { dedup } from 'sluice/operators';
import { jsonl } from 'sluice/sinks';
import { relatedTexts } from '../../lsh/texts.ts';

const DOCUMENTS = 40;

/** Two splits of the same five texts with edits; every seventh document is that before it once more. */
const texts: Source<Document> = {
  kind: 'texts',
  options: { documents: DOCUMENTS },
  async *splits() {
    for (let spec = 0; spec < 2; spec++) yield { bytes: 40_000, spec };
  },
  read: (split: Split) =>
    pull(function* () {
      for (let n = 0; n < DOCUMENTS; n++) yield [textOf(split, n)];
    }),
};

function textOf(split: Split, n: number): Document {
  const of = n % 7 === 6 ? n - 1 : n;
  return {
    id: `${split.id}-${n}`,
    source: { split: split.id, uri: 'texts', position: { ordinal: n } },
    bytes: relatedTexts((of % 5) + 1, 1000, (of % 3) / 30)[1],
    meta: {},
  };
}

const [output = 'out', workers = '2'] = process.argv.slice(2);
const pipeline = definePipeline('texts', texts)
  .pipe(dedup({ dir: 'dropped' }))
  .to(jsonl('kept'));
await run(pipeline, { output, workers: Number(workers) });
