import path from 'node:path';
import { PipelineError } from '../../../errors.ts';
import { uint32From } from '../../../formats/littleEndian.ts';
import { PageCache } from '../../../formats/pageCache.ts';
import { CorpusReader } from '../../../lsh/corpus/corpusReader.ts';
import { crossing } from '../../../run/crossing.ts';
import { type Corpus, indexStamp, ROOTS_FILE, readCorpus } from './indexFile.ts';

export interface LookupTask {
  /** Folder of the index. */
  readonly folder: string;
  readonly split: string;
  /** Number of the first of these documents within the split. */
  readonly first: number;
  /** Ids of documents that follow each other. */
  readonly ids: readonly string[];
  /** No documents come behind these. */
  readonly last: boolean;
}

/** What became of a document: nothing where it is kept. */
export interface Found {
  readonly duplicate_of: string;
  readonly similarity: number;
  /** Number of the document that is kept. */
  readonly cluster: number;
  readonly exact: boolean;
}

interface OpenCorpus {
  readonly folder: string;
  readonly stamp: string;
  readonly corpus: Corpus;
  readonly reader: CorpusReader;
  readonly roots: PageCache;
}

/** One task follows another over the same corpus: a thread keeps one open. */
let open: OpenCorpus | undefined;

/** Worker module: tells of documents that follow each other in a split which are duplicates, and of what. */
export default function lookupDocuments(task: LookupTask): (Found | undefined)[] {
  return crossing(() => lookup(opened(task), task));
}

function opened({ folder }: LookupTask): OpenCorpus {
  const stamp = indexStamp(folder);
  if (open?.folder === folder && open.stamp === stamp) return open;
  open?.reader.close();
  open?.roots.close();
  const corpus = readCorpus(folder);
  open = {
    folder,
    stamp,
    corpus,
    reader: new CorpusReader(corpus.parts, corpus.settings),
    roots: new PageCache({ pages: 2, files: 1 }),
  };
  return open;
}

function lookup({ corpus, reader, roots }: OpenCorpus, task: LookupTask): (Found | undefined)[] {
  const part = corpus.splits.get(task.split);
  const documents = part?.documents ?? 0;
  const end = task.first + task.ids.length;
  if (part === undefined || end > documents || (task.last && end !== documents)) {
    throw otherPass(
      `split ${task.split} has ${task.last ? end : `more than ${documents}`} documents, and had ${documents}`,
    );
  }
  const first = part.first + task.first;
  const ids = reader.ids(first, task.ids.length);
  const start = 4 * (first - corpus.firstNew);
  const rootOf = uint32From(roots.range(path.join(task.folder, ROOTS_FILE), start, start + 4 * ids.length));
  return task.ids.map((id, i) => {
    const document = first + i;
    if (ids[i] !== id.toWellFormed()) throw otherPass(`document '${id}' of split ${task.split} was another one`);
    const root = rootOf[i] ?? document;
    if (root === document) return undefined;
    return {
      duplicate_of: reader.id(root),
      similarity: reader.similarity(root, document),
      cluster: root,
      exact: reader.sameBytes(root, document),
    };
  });
}

function otherPass(what: string): PipelineError {
  return new PipelineError(`the documents that reach dedup are not those of its first pass: ${what}`, {
    code: 'OTHER_PASS',
    hint: 'what stands before dedup must give the same documents each time; run with --fresh if the input has changed',
  });
}
