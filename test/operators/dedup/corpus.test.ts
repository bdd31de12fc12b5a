import { renameSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { filter, lastValueFrom, map } from 'rxjs';
import { type Document, definePipeline, type RunEvent, run, type Source, type Split } from 'sluice';
import { pull } from 'sluice/flow';
import { type DedupOptions, dedup, pretokenize } from 'sluice/operators';
import { jsonl, parquet } from 'sluice/sinks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jaccard } from '../../../src/lsh/jaccard.ts';
import { corpusOptions } from '../../../src/operators/dedup/corpus/options.ts';
import { corpusOf } from '../../../src/operators/dedup/corpus/runCorpus.ts';
import { dedupSettings } from '../../../src/operators/dedup/settings.ts';
import type { Duplicate } from '../../../src/operators/dedup.ts';
import type { CommitRecord } from '../../../src/run/commitRecord.ts';
import type { JobView } from '../../../src/run/jobStage.ts';
import { planNotes } from '../../../src/run/planNotes.ts';
import { verifyOutput } from '../../../src/run/verify.ts';
import { relatedTexts } from '../../lsh/texts.ts';
import { lines } from '../../support/lines.ts';
import { hashTree } from '../../support/tree.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-corpus-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));
const at = (...names: string[]): string => path.join(folder, ...names);

type Content = string | Uint8Array;

/** A split for each list; documents are named by their place. */
function splitsOf(lists: readonly (readonly Content[])[], prefix = ''): Source<Document> {
  return {
    kind: 'lists',
    options: { prefix, sizes: lists.map((list) => list.length) },
    async *splits() {
      for (const spec of lists.keys()) yield { bytes: 1000, spec };
    },
    read: (split: Split) =>
      pull(function* () {
        for (const [ordinal, content] of (lists[Number(split.spec)] ?? []).entries()) {
          const bytes = typeof content === 'string' ? Buffer.from(content) : content;
          const source = { split: split.id, uri: 'lists', position: { ordinal } };
          yield [{ id: `${prefix}${Number(split.spec)}.${ordinal}`, source, bytes, meta: {} }];
        }
      }),
  };
}

const files = { duplicates: 'duplicates.jsonl', clusters: 'clusters.jsonl', report: 'report.json' };

async function deduplicate(source: Source<Document>, options: DedupOptions = {}, output = 'out', workers = 2) {
  const corpus = { files, ...options.corpus };
  const pipeline = definePipeline('corpus', source)
    .pipe(dedup({ ...options, scope: 'corpus', corpus }))
    .to(jsonl('kept', { into: 'kept.jsonl' }));
  const summary = await run(pipeline, { output: at(output), workers });
  const rows = async <T>(file: string): Promise<T[]> =>
    (await readFile(at(output, file), 'utf8'))
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  return {
    summary,
    kept: (await rows<{ id: string }>('kept.jsonl')).map(({ id }) => id),
    duplicates: await rows<Duplicate>('duplicates.jsonl'),
    clusters: await rows<{ cluster: number; id: string; documents: number }>('clusters.jsonl'),
    report: JSON.parse(await readFile(at(output, 'report.json'), 'utf8')),
  };
}

const [a, aEdited] = relatedTexts(1, 1500, 0.02);
const [b, bEdited] = relatedTexts(2, 1500, 0.02);
const [c] = relatedTexts(3, 1500, 0);

describe('dedup of a corpus', () => {
  it('keeps the first of alike documents, whichever split they lie in', async () => {
    const { kept, duplicates, clusters, report } = await deduplicate(
      splitsOf([
        [a, c],
        [bEdited, aEdited],
        [b, c, a],
      ]),
    );
    expect(kept).toEqual(['0.0', '0.1', '1.0']);
    expect(duplicates).toMatchObject([
      { id: '1.1', duplicate_of: '0.0', cluster: 0, kind: 'near' },
      { id: '2.0', duplicate_of: '1.0', cluster: 2, kind: 'near' },
      { id: '2.1', duplicate_of: '0.1', cluster: 1, kind: 'exact', similarity: 1 },
      { id: '2.2', duplicate_of: '0.0', cluster: 0, kind: 'exact', similarity: 1 },
    ]);
    expect(clusters).toEqual([
      { cluster: 0, id: '0.0', documents: 3 },
      { cluster: 1, id: '0.1', documents: 2 },
      { cluster: 2, id: '1.0', documents: 2 },
    ]);
    expect(report).toMatchObject({
      documents: 7,
      kept: 3,
      duplicates: 4,
      exact: 2,
      clusters: 3,
      largest_cluster: 3,
      cluster_sizes: { '2': 2, '3-4': 1 },
    });
    expect(await verifyOutput(at('out'))).toMatchObject({ ok: true, findings: [] });
  });

  it('joins what is alike by way of others, and says how alike each is to the one that is kept', async () => {
    const words = Array.from({ length: 300 }, (_, i) => `word${(i * i * 31) % 9973}`);
    const shingle = { of: 'words', length: 3 } as const;
    const cut = (from: number): string => words.slice(from, from + 200).join(' ');
    const { kept, duplicates } = await deduplicate(
      splitsOf([
        [cut(0), cut(25)],
        [cut(75), cut(50)],
      ]),
      {
        threshold: 0.6,
      },
    );
    expect(kept).toEqual(['0.0']);
    expect(duplicates.map(({ duplicate_of }) => duplicate_of)).toEqual(['0.0', '0.0', '0.0']);
    const [, farthest] = duplicates;
    expect(farthest?.similarity).toBeLessThan(0.6);
    expect(farthest?.similarity).toBeCloseTo(jaccard(Buffer.from(cut(0)), Buffer.from(cut(75)), shingle), 0);
  });

  it('compares exactly where that is asked', async () => {
    const { duplicates } = await deduplicate(
      splitsOf([
        [a, b],
        [aEdited, c],
      ]),
      { verify: 'jaccard' },
    );
    expect(duplicates).toMatchObject([{ id: '1.0', duplicate_of: '0.0', similarity: jaccard(a, aEdited) }]);
  });

  it('compares bytes alone where that is asked', async () => {
    const { kept, duplicates } = await deduplicate(splitsOf([[a], [aEdited, a]]), { near: false });
    expect(kept).toEqual(['0.0', '1.0']);
    expect(duplicates).toMatchObject([{ id: '1.1', kind: 'exact' }]);
  });

  it('leaves documents that are shorter than a shingle alone, unless bytes alone are compared', async () => {
    const lists = [
      ['', 'abcd', 'abcde'],
      ['', 'abcd', 'abcde'],
    ];
    const near = await deduplicate(splitsOf(lists));
    expect(near.kept).toEqual(['0.0', '0.1', '0.2', '1.0', '1.1']);
    const exact = await deduplicate(splitsOf(lists), { near: false }, 'exact');
    expect(exact.kept).toEqual(['0.0', '0.1', '0.2', '1.0']);
    expect(exact.report).toMatchObject({ documents: 6, duplicates: 2, exact: 2 });
    expect(exact.report.settings).toEqual({ near: false });
  });

  it('takes segments as well: all of a document go or stay together', async () => {
    const text = Buffer.from(`${Buffer.from(a).toString('hex')}\n`.repeat(3));
    const pipeline = definePipeline('segments', splitsOf([[text], [text, Buffer.from(c).toString('hex')]]))
      .pipe(pretokenize({ maxSegmentBytes: 1000 }), dedup({ scope: 'corpus' }))
      .to(lines());
    const { counts } = await run(pipeline, { output: at('segments') });
    expect(counts).toMatchObject({ documents_kept: 2, duplicates: 1 });
    const written = await readFile(at('segments/lines/00000.txt'), 'utf8');
    expect(written.replaceAll('\n', '')).toBe(text.toString().replaceAll('\n', ''));
  });

  it('gives the same bytes for any number of workers', async () => {
    const lists = Array.from({ length: 6 }, (_, split) =>
      Array.from({ length: 9 }, (_, n) => relatedTexts(((split * 9 + n) % 11) + 1, 700, n / 90)[1]),
    );
    await deduplicate(splitsOf(lists), {}, 'one', 1);
    await deduplicate(splitsOf(lists), {}, 'four', 4);
    expect(await hashTree(at('four'))).toEqual(await hashTree(at('one')));
  });

  it('keeps or drops every document once; whatever it drops has an equal or alike one among the kept', async () => {
    const text = fc
      .tuple(fc.integer({ min: 1, max: 6 }), fc.constantFrom(0, 0.02, 0.5))
      .map(([seed, edits]) => relatedTexts(seed, 400, edits)[1]);
    const content = fc.oneof(text, fc.uint8Array({ maxLength: 20 }));
    const lists = fc.array(fc.array(content, { maxLength: 8 }), { minLength: 1, maxLength: 4 });
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(lists, async (given) => {
        const name = `run-${runs++}`;
        const { kept, duplicates } = await deduplicate(splitsOf(given), {}, name);
        const ids = given.flatMap((list, split) => list.map((_, n) => `${split}.${n}`));
        expect([...kept, ...duplicates.map(({ id }) => id)].sort()).toEqual([...ids].sort());
        for (const { id, duplicate_of, cluster } of duplicates) {
          expect(kept).toContain(duplicate_of);
          expect(ids[cluster]).toBe(duplicate_of);
          expect(ids.indexOf(duplicate_of)).toBeLessThan(ids.indexOf(id));
        }
        const bytesOf = new Map<string, Uint8Array>(
          given.flatMap((list, split) => list.map((bytes, n) => [`${split}.${n}`, bytes] as const)),
        );
        const equal = (x = '', y = ''): boolean =>
          Buffer.compare(bytesOf.get(x) ?? new Uint8Array(), bytesOf.get(y) ?? new Uint8Array()) === 0;
        const long = kept.filter((id) => (bytesOf.get(id)?.length ?? 0) >= 5);
        for (const [i, one] of long.entries())
          for (const other of long.slice(i + 1)) expect(equal(one, other)).toBe(false);
      }),
      { numRuns: 15 },
    );
  });
});

describe('the files of a corpus', () => {
  it('may lie beside others: those of its own format alone are put together', async () => {
    const pipeline = definePipeline('beside', splitsOf([[a, b], [aEdited]]))
      .pipe(dedup({ scope: 'corpus', dir: 'kept', corpus: { files } }))
      .to(jsonl('kept', { into: 'kept.jsonl' }), parquet('kept'));
    await run(pipeline, { output: at('beside') });
    expect((await readFile(at('beside', 'kept.jsonl'), 'utf8')).trimEnd().split('\n')).toHaveLength(2);
    expect(JSON.parse(await readFile(at('beside', 'report.json'), 'utf8'))).toMatchObject({ kept: 2, duplicates: 1 });
    expect(await verifyOutput(at('beside'))).toMatchObject({ ok: true, findings: [] });
  });

  it('make another run where they have other names', async () => {
    const { duplicates, clusters, report } = files;
    await deduplicate(splitsOf([[a]]), { corpus: { files: { report, clusters, duplicates } } });
    await deduplicate(splitsOf([[a]]), { corpus: { files } });
    const swapped = { clusters: duplicates, duplicates: clusters, report };
    await expect(deduplicate(splitsOf([[a]]), { corpus: { files: swapped } })).rejects.toMatchObject({
      code: 'OTHER_PLAN',
    });
  });
});

describe('what tasks are told of their corpus', () => {
  it('is put together once, and anew when a split of its pass was done again', () => {
    const options = corpusOptions(dedupSettings({ scope: 'corpus' }));
    const record = (split: number, indexed: number): CommitRecord => ({
      split: `dedup/sign-0000${split}`,
      artefacts: [],
      counts: { indexed },
      rejects: 0,
    });
    const commits = [record(0, 5), record(1, 7)];
    const job: JobView = { root: folder, splits: [], commitsOf: () => [...commits] };
    const first = corpusOf(options, job);
    expect(first).toMatchObject({ documents: 12, firstNew: 0 });
    expect(corpusOf(options, job)).toBe(first);
    commits[1] = record(1, 9);
    expect(corpusOf(options, job)).toMatchObject({ documents: 14 });
    expect(corpusOf(options, { ...job, root: '/elsewhere' }).parts[0]?.file).toBe('/elsewhere/dedup/sign-00000');
  });
});

describe('several operators that drop duplicates', () => {
  const heard: string[] = [];
  const listening = {
    onDuplicate: ({ id }: Duplicate): void => {
      heard.push(id);
    },
  };
  const second = { index: 'second' };
  const several = definePipeline('several', splitsOf([[a, a, b], [bEdited, c], [c]])).pipe(
    dedup(listening),
    dedup({ ...listening, scope: 'corpus', near: false, dir: 'corpus' }),
    dedup({ ...listening, scope: 'corpus', corpus: second, dir: 'second-duplicates' }),
  );

  it('tell of each document once, however often it is read beforehand', async () => {
    heard.length = 0;
    const { counts } = await run(several.to(jsonl('kept')), { output: at('several') });
    expect(heard.toSorted()).toEqual(['0.1', '1.0', '2.0']);
    expect(counts).toMatchObject({ documents: 3 });
    expect(await verifyOutput(at('several'))).toMatchObject({ ok: true });
  });

  it('tell nobody of what a plan looks at', async () => {
    heard.length = 0;
    const notes = await planNotes(several.to(jsonl('kept')), [{ id: '00000', bytes: 4500, spec: 0 }]);
    expect(notes.filter((note) => note.startsWith('split'))).toEqual([]);
    expect(heard).toEqual([]);
  });
});

describe('a corpus against an earlier one', () => {
  it('drops what is like the earlier one, and leaves that as it is', async () => {
    await deduplicate(splitsOf([[a, c]], 'old-'), {}, 'old');
    const before = await hashTree(at('old'));
    const { kept, duplicates, clusters } = await deduplicate(
      splitsOf(
        [
          [b, aEdited],
          [bEdited, c],
        ],
        'new-',
      ),
      { corpus: { against: at('old') } },
      'new',
    );
    expect(kept).toEqual(['new-0.0']);
    expect(duplicates).toMatchObject([
      { id: 'new-0.1', duplicate_of: 'old-0.0', cluster: 0, kind: 'near' },
      { id: 'new-1.0', duplicate_of: 'new-0.0', cluster: 2, kind: 'near' },
      { id: 'new-1.1', duplicate_of: 'old-0.1', cluster: 1, kind: 'exact' },
    ]);
    expect(clusters).toEqual([
      { cluster: 0, id: 'old-0.0', documents: 2 },
      { cluster: 1, id: 'old-0.1', documents: 2 },
      { cluster: 2, id: 'new-0.0', documents: 2 },
    ]);
    expect(await hashTree(at('old'))).toEqual(before);
    expect(await verifyOutput(at('new'))).toMatchObject({ ok: true });
  });

  it('keeps of three parts, one against the other, what it keeps of all at once', async () => {
    const lists = Array.from({ length: 3 }, (_, part) =>
      Array.from({ length: 12 }, (_, n) => relatedTexts(((part * 12 + n * 5) % 17) + 1, 500, (n % 4) / 60)[1]),
    );
    const whole = await deduplicate(splitsOf(lists), {}, 'whole');
    const kept: string[] = [];
    for (const [part, list] of lists.entries()) {
      const against = part === 0 ? undefined : at(`part-${part - 1}`);
      const one = await deduplicate(splitsOf([list], `${part}:`), { corpus: { against } }, `part-${part}`);
      kept.push(...one.kept.map((id) => id.replace(/:0\./, '.')));
    }
    expect(kept).toEqual(whole.kept);
  });

  it('refuses one that is not there, was signed otherwise, or has changed', async () => {
    const against = (name: string, options: DedupOptions = {}) =>
      deduplicate(splitsOf([[a]], 'new-'), { ...options, corpus: { against: at(name) } }, `on-${name}`);
    await expect(against('none')).rejects.toMatchObject({ code: 'NO_INDEX' });
    await deduplicate(splitsOf([[a]]), {}, 'old');
    await expect(against('old', { shingle: { of: 'bytes', length: 9 } })).rejects.toMatchObject({
      code: 'OTHER_INDEX',
      message: expect.stringContaining('shingle'),
    });
    await deduplicate(splitsOf([[b]]), { corpus: { keepIndex: false } }, 'bare');
    expect(await readdir(at('bare'))).not.toContain('dedup');
    await expect(against('bare')).rejects.toMatchObject({ code: 'NO_INDEX' });
    await deduplicate(splitsOf([[b]]), { corpus: { against: at('old') } }, 'second');
    await rm(at('old'), { recursive: true });
    await deduplicate(splitsOf([[c]]), {}, 'old');
    await expect(against('second')).rejects.toMatchObject({ code: 'INDEX_CHANGED' });
  });

  it('is refused in the output folder of the run, which a fresh start would take away first', async () => {
    await deduplicate(splitsOf([[a]]), {}, 'old');
    await deduplicate(splitsOf([[b]]), { corpus: { against: at('old') } }, 'new');
    const before = await hashTree(at('old'));
    for (const against of ['old', 'new']) {
      const pipeline = definePipeline('own', splitsOf([[c]]))
        .pipe(dedup({ scope: 'corpus', corpus: { against: at(against) } }))
        .to(jsonl('kept'));
      await expect(run(pipeline, { output: at('old'), fresh: true })).rejects.toMatchObject({ code: 'OWN_INDEX' });
    }
    expect(await hashTree(at('old'))).toEqual(before);
  });

  it('is found again by whichever path the later one is reached', async () => {
    await mkdir(at('deep/er'), { recursive: true });
    await symlink(at('deep/er'), at('link'));
    await deduplicate(splitsOf([[a]]), {}, 'old');
    await deduplicate(splitsOf([[b]]), { corpus: { against: at('old') } }, 'link/new');
    for (const [i, against] of [at('link/new'), at('deep/er/new')].entries()) {
      const { kept } = await deduplicate(splitsOf([[a, b, c]]), { corpus: { against } }, `third-${i}`);
      expect(kept).toEqual(['0.2']);
    }
  });

  it('must stay the same throughout a run', async () => {
    await deduplicate(splitsOf([[a]]), {}, 'old');
    await deduplicate(splitsOf([[c, b]]), {}, 'other');
    const pipeline = definePipeline('late', splitsOf([[b]]))
      .pipe(dedup({ scope: 'corpus', corpus: { against: at('old') } }))
      .to(jsonl('kept'));
    const replace = (): void => {
      rmSync(at('old'), { recursive: true });
      renameSync(at('other'), at('old'));
    };
    const onEvent = ({ type }: RunEvent): void => {
      if (type === 'committed') replace();
    };
    await expect(run(pipeline, { output: at('late'), onEvent })).rejects.toMatchObject({ code: 'INDEX_CHANGED' });
  });

  it('finds what is damaged in the earlier one before it relies on it', async () => {
    await deduplicate(splitsOf([[a, b]]), {}, 'old');
    const keys = at('old/dedup/sign-00000.keys');
    const whole = await readFile(keys);
    for (const damage of [() => writeFile(keys, Buffer.alloc(whole.length)), () => rm(keys)]) {
      await damage();
      const against = deduplicate(splitsOf([[aEdited]]), { corpus: { against: at('old') } }, 'new');
      await expect(against).rejects.toMatchObject({ code: 'DAMAGED', path: keys });
    }
    await writeFile(keys, whole);
    const { kept } = await deduplicate(splitsOf([[aEdited]]), { corpus: { against: at('old') } }, 'new');
    expect(kept).toEqual([]);
  });

  it('is another run when the earlier one is another', async () => {
    await deduplicate(splitsOf([[a]]), {}, 'old');
    await deduplicate(splitsOf([[b]]), { corpus: { against: at('old') } }, 'new');
    await deduplicate(splitsOf([[c]]), {}, 'other');
    await expect(deduplicate(splitsOf([[b]]), { corpus: { against: at('other') } }, 'new')).rejects.toMatchObject({
      code: 'OTHER_PLAN',
    });
  });
});

describe('a corpus that cannot be deduplicated', () => {
  it('is told when documents are others in the second pass', async () => {
    let pass = 0;
    const unsteady = definePipeline('unsteady', splitsOf([[a, b, c]]))
      .pipe(
        map((document: Document) => {
          if (document.id === '0.0') pass++;
          return pass === 2 && document.id === '0.1' ? { ...document, id: 'other' } : document;
        }),
        dedup({ scope: 'corpus' }),
      )
      .to(jsonl('kept'));
    await expect(run(unsteady, { output: at('unsteady') })).rejects.toMatchObject({ code: 'OTHER_PASS' });
    pass = 0;
    const fewer = definePipeline('fewer', splitsOf([[a, b, c]]))
      .pipe(
        filter(({ id }: Document) => {
          if (id === '0.0') pass++;
          return pass < 2 || id !== '0.2';
        }),
        dedup({ scope: 'corpus' }),
      )
      .to(jsonl('kept'));
    await expect(run(fewer, { output: at('fewer') })).rejects.toMatchObject({ code: 'OTHER_PASS' });
  });

  it('is told when dedup cannot prepare itself', async () => {
    const flow = pull(() => [
      [{ id: 'x', bytes: a, meta: {}, source: { split: '', uri: '', position: { ordinal: 0 } } }],
    ]);
    await expect(lastValueFrom(flow.pipe(dedup({ scope: 'corpus' })))).rejects.toMatchObject({ code: 'NEEDS_RUN' });
    const hidden = definePipeline('hidden', splitsOf([[a]]))
      .pipe((source) => source.pipe(dedup({ scope: 'corpus' })))
      .to(jsonl('kept'));
    await expect(run(hidden, { output: at('hidden') })).rejects.toMatchObject({ code: 'NO_INDEX' });
  });
});
