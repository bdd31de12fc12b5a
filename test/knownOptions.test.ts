import { describe, expect, it } from 'vitest';
import { definePipeline, PipelineError } from '../src/index.ts';
import { type OptionNames, requireOptions } from '../src/knownOptions.ts';
import * as operators from '../src/operators/index.ts';
import * as sinks from '../src/sinks/index.ts';
import * as sources from '../src/sources/index.ts';

/** As in a pipeline file, whose types nobody looks at. */
type Untyped = (...args: readonly unknown[]) => unknown;

function refusal(make: () => unknown): PipelineError {
  try {
    make();
  } catch (error) {
    if (error instanceof PipelineError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

/** What stands before the options, a misspelt option, and the one that was meant. */
type Case = readonly [before: readonly unknown[], misspelt: string, meant: string];

const ofSources: Record<string, Case> = {
  arrow: [['a.arrow'], 'maxBatchByte', 'maxBatchBytes'],
  csv: [['a.csv'], 'colums', 'columns'],
  files: [['a'], 'maxRowgroupBytes', 'maxRowGroupBytes'],
  folder: [['a'], 'maxDocumentsBytes', 'maxDocumentBytes'],
  glob: [['a/*'], 'exlude', 'exclude'],
  hf: [['a/b'], 'confg', 'config'],
  json: [['a.json'], 'coulmns', 'columns'],
  jsonl: [['a.jsonl'], 'were', 'where'],
  parquet: [['a.parquet'], 'txt', 'text'],
  patchFiles: [['a'], 'absnet', 'absent'],
  stdin: [[], 'inputs', 'input'],
  tar: [['a.tar'], 'max_expansion', 'maxExpansion'],
  webdataset: [['a.tar'], 'payloads', 'payload'],
  zip: [['a.zip'], 'recursiv', 'recursive'],
};

const ofOperators: Record<string, Case> = {
  attach: [[], 'colunms', 'columns'],
  dedup: [[], 'treshold', 'threshold'],
  dedupVectors: [[], 'headbytes', 'headBytes'],
  embed: [[], 'modle', 'model'],
  inWorkers: [['a.worker.js'], 'sizeof', 'sizeOf'],
  patch: [[], 'monotonic', 'monotonicity'],
  pretokenize: [[], 'char_set', 'charset'],
  quantize: [[], 'qualityrows', 'qualityRows'],
  similarityBatch: [[], 'maxbytes', 'maxBytes'],
};

const ofSinks: Record<string, Case> = {
  hypergraph: [['a'], 'sematic', 'semantic'],
  jsonl: [['a'], 'in_to', 'into'],
  npz: [['a'], 'shardbytes', 'shardBytes'],
  parquet: [['a'], 'compresion', 'compression'],
  safetensors: [['a'], 'meta_data', 'metadata'],
  signals: [['a'], 'layuot', 'layout'],
  sqlite: [['a'], 'file_bytes', 'fileBytes'],
  webdataset: [['a'], 'sample', 'samples'],
};

/** They take no options. */
const helpers = ['moving', 'workerModule'];

for (const [kind, exported, cases] of [
  ['source', sources, ofSources],
  ['operator', operators, ofOperators],
  ['sink', sinks, ofSinks],
] as const) {
  const functions = Object.entries<unknown>(exported).filter(([name]) => !helpers.includes(name));

  it(`every ${kind} is looked at here`, () => {
    expect(functions.map(([name]) => name).sort()).toEqual(Object.keys(cases).sort());
  });

  describe.each(functions)(`the ${kind} %s`, (name, exported) => {
    const make = exported as Untyped;
    const [before, misspelt, meant] = cases[name] ?? [[], '', ''];

    it('refuses an option that it does not have, in its own name', () => {
      const { code, message } = refusal(() => make(...before, { nonsense: 1 }));
      expect(code).toBe('UNKNOWN_OPTION');
      expect(message).toBe(`${name} has no option 'nonsense'`);
    });

    it(`says that ${misspelt} should be ${meant}`, () => {
      const { message, hint } = refusal(() => make(...before, { [misspelt]: 1 }));
      expect(message).toBe(`${name} has no option '${misspelt}'`);
      expect(hint).toBe(`Did you mean '${meant}'?`);
    });

    it.each([
      ['a text', 'utf8'],
      ['null', null],
      ['a list', []],
    ])('refuses %s for options', (_, options) => {
      const { code, message } = refusal(() => make(...before, options));
      expect(code).toBe('BAD_OPTION');
      expect(message).toBe(`the options of ${name} are no object`);
    });
  });
}

describe('definePipeline', () => {
  const define = definePipeline as Untyped;

  it('refuses options that it does not have', () => {
    const { code, message, hint } = refusal(() => define('a', sources.files('a'), { splitbytes: 1 << 20 }));
    expect(code).toBe('UNKNOWN_OPTION');
    expect(message).toBe("definePipeline has no option 'splitbytes'");
    expect(hint).toBe("Did you mean 'splitBytes'?");
  });

  it('takes all of its own', () => {
    const options = { splitBytes: 1 << 20, maxRejectRate: 0.1, onError: 'fail', seed: 1 } as const;
    const { options: kept } = definePipeline('a', sources.files('a'), options).to(sinks.jsonl());
    expect(kept).toEqual(options);
  });
});

describe('options within options', () => {
  it.each<[of: string, make: () => unknown, message: string, meant: string]>([
    [
      'remote',
      () => call(sources.jsonl, 'a', { remote: { cach: true } }),
      "jsonl: remote has no option 'cach'",
      'cache',
    ],
    [
      'remote.prefetch',
      () => call(sources.files, 'a', { remote: { prefetch: { split: 1 } } }),
      "files: remote.prefetch has no option 'split'",
      'splits',
    ],
    [
      'remote.http',
      () => call(sources.parquet, 'a', { remote: { http: { retrys: 1 } } }),
      "parquet: remote.http has no option 'retrys'",
      'retries',
    ],
    [
      'remote.http.backoff',
      () => call(sources.parquet, 'a', { remote: { http: { backoff: { firstms: 1, mostMs: 2 } } } }),
      "parquet: remote.http.backoff has no option 'firstms'",
      'firstMs',
    ],
    [
      'remote.hub',
      () => call(sources.hf, 'a/b', { remote: { hub: { tokn: 'x' } } }),
      "hf: remote.hub has no option 'tokn'",
      'token',
    ],
    [
      'remote.s3',
      () => call(sources.csv, 'a', { remote: { s3: { pathstyle: true } } }),
      "csv: remote.s3 has no option 'pathstyle'",
      'pathStyle',
    ],
    [
      'remote of attach',
      () => call(operators.attach, { columns: ['a'], remote: { hubb: {} } }),
      "attach: remote has no option 'hubb'",
      'hub',
    ],
    [
      'an archive rule',
      () => call(operators.attach, { columns: ['a'], archives: [{ prefix: 'a/', archive: 'a.tar' }] }),
      "attach: archives[0] has no option 'archive'",
      'archives',
    ],
    [
      'the files of a corpus',
      () => call(operators.dedup, { scope: 'corpus', corpus: { files: { cluster: 'a.jsonl' } } }),
      "dedup: corpus.files has no option 'cluster'",
      'clusters',
    ],
    ['banding', () => call(operators.dedup, { banding: { band: 1 } }), "dedup: banding has no option 'band'", 'bands'],
    [
      'window',
      () => call(operators.similarityBatch, { window: { document: 1 } }),
      "similarityBatch: window has no option 'document'",
      'documents',
    ],
    [
      'room',
      () => call(operators.inWorkers, 'a.worker.js', { sizeOf: () => 1, room: { item: 1 } }),
      "inWorkers: room has no option 'item'",
      'items',
    ],
    [
      'semantic',
      () => call(sinks.hypergraph, 'a', { semantic: { neighbors: 2 } }),
      "hypergraph: semantic has no option 'neighbors'",
      'neighbours',
    ],
    [
      'documents of semantic',
      () => call(sinks.hypergraph, 'a', { semantic: { documents: { treshold: 0.5 } } }),
      "hypergraph: semantic.documents has no option 'treshold'",
      'threshold',
    ],
    [
      'absent',
      () => call(sources.patchFiles, 'a', { absent: { entropie: 1 } }),
      "patchFiles: absent has no option 'entropie'",
      'entropy',
    ],
  ])('of %s are looked at', (_, make, message, meant) => {
    const error = refusal(make);
    expect(error.code).toBe('UNKNOWN_OPTION');
    expect(error.message).toBe(message);
    expect(error.hint).toBe(`Did you mean '${meant}'?`);
  });

  it('are free where their names are the data', () => {
    expect(sinks.safetensors('a', { metadata: { anything: 'x' } }).kind).toBe('safetensors');
    expect(sinks.sqlite('a', { columns: { anything: 'string' } }).kind).toBe('sqlite');
    expect(sources.csv('a', { columns: { text: 'string', anything: 'string' } }).kind).toBe('csv');
  });
});

describe('requireOptions', () => {
  interface Options {
    readonly first?: number | undefined;
    readonly second?: { readonly inner?: number | undefined } | boolean | undefined;
  }
  const names = { first: true, second: { inner: true } } as const satisfies OptionNames<Options>;

  it('takes no options, those that it knows, and such as are undefined', () => {
    for (const options of [{}, { first: 1 }, { second: true }, { second: { inner: 1 } }, { first: undefined }]) {
      expect(() => requireOptions<Options, typeof names>('it', options, names)).not.toThrow();
    }
    const leftOut: Options = Object.assign({ first: 1 }, { third: undefined });
    expect(() => requireOptions('it', leftOut, names)).not.toThrow();
  });

  it('knows nothing that every object has', () => {
    const options: Options = Object.assign({ first: 1 }, { constructor: 1 });
    expect(() => requireOptions('it', options, names)).toThrow("it has no option 'constructor'");
  });

  it('does not compile with a list that lacks an option or has one too many', () => {
    const options: Options = {};
    // @ts-expect-error second is missing
    requireOptions('it', options, { first: true });
    // @ts-expect-error inner is missing
    requireOptions('it', options, { first: true, second: {} });
    // @ts-expect-error there is no third
    expect(() => requireOptions('it', options, { ...names, third: true })).not.toThrow();
  });
});

function call(make: unknown, ...args: readonly unknown[]): unknown {
  return (make as Untyped)(...args);
}
