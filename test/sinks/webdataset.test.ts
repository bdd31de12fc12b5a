import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync, inflateRawSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { map } from 'rxjs';
import { definePipeline } from 'sluice';
import { describe, expect, it } from 'vitest';
import type { Document, Patches } from '../../src/records.ts';
import { run } from '../../src/run/run.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { type WebdatasetOptions, webdataset } from '../../src/sinks/webdataset.ts';
import { numbers } from '../support/lines.ts';
import { samplesOf, type TarSample, untar } from '../support/tar.ts';
import { loadPatches, parseSafetensors } from './consumer.ts';
import { divided, filesOf, patchesOf, type Sketch, sketches, temporaryFolder, type Written, writeAll } from './flow.ts';

const three: Sketch[] = [{ segments: [[3, 4], [2]] }, { segments: [[]] }, { segments: [[5, 5, 5]] }];

/** All frames of a stream one after the other. Node's own decoder ends behind the first, so later ones are found by trying. */
function unzstd(bytes: Buffer): Buffer {
  const starts = [0, ...offsetsOf(bytes, Buffer.from('28b52ffd', 'hex')).slice(1), bytes.length];
  const contents: Buffer[] = [];
  for (let from = 0; from < starts.length - 1; ) {
    let to = from + 1;
    for (; ; to++) {
      try {
        contents.push(zstdDecompressSync(bytes.subarray(starts[from], starts[to])));
        break;
      } catch (error) {
        if (to === starts.length - 1) throw error;
      }
    }
    from = to;
  }
  return Buffer.concat(contents);
}

function offsetsOf(bytes: Buffer, wanted: Buffer): number[] {
  const offsets: number[] = [];
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) offsets.push(at);
  return offsets;
}

const plain = { none: (file: Buffer) => file, gzip: gunzipSync, zstd: unzstd };

interface Output extends Written {
  readonly files: Map<string, Buffer>;
  readonly samples: [string, TarSample][];
}

async function written(values: Iterable<Document | Patches>, options: WebdatasetOptions = {}): Promise<Output> {
  const all = await writeAll([webdataset('wds', options)], values);
  const files = await filesOf(all.root, 'wds');
  const tars = [...files.values()].map((file) => plain[options.compression ?? 'none'](file));
  return { ...all, files, samples: tars.flatMap((tar) => samplesOf(untar(tar))) };
}

const jsonOf = (sample: TarSample | undefined) => JSON.parse(sample?.get('json')?.toString() ?? '');

describe('webdataset sink of patches', () => {
  it('writes a sample for each document: its patches and its facts', async () => {
    const values = patchesOf(three, 3);
    const { artefacts, counts, samples } = await written(values);
    expect(artefacts).toMatchObject([
      {
        path: 'wds/00000-000000.tar',
        info: {
          format: 'sluice_webdataset_v1',
          split: '00000',
          shard: 0,
          compression: 'none',
          content: 'patches',
          samples: 3,
          documents: 3,
          patches: 6,
          bytes: 24,
        },
      },
    ]);
    expect(counts).toEqual({ samples: 3, documents: 3, patches: 6, bytes: 24 });
    expect(samples.map(([key, sample]) => [key, [...sample.keys()]])).toEqual(
      ['00000-00000000', '00000-00000001', '00000-00000002'].map((key) => [key, ['safetensors', 'json']]),
    );
    expect(samples.map(([, sample]) => sample.get('json')?.toString())).toEqual([
      '{"complete":true,"embed_dim":3,"id":"doc-0","meta":{"n":0},"modality":"text","num_patches":3,"part":0,"position":{"line":1,"ordinal":0},"total_bytes":9,"uri":"in/0.txt"}',
      '{"complete":true,"embed_dim":3,"id":"doc-1","meta":{"n":1},"modality":"text","num_patches":0,"part":0,"position":{"line":2,"ordinal":1},"total_bytes":0,"uri":"in/1.txt"}',
      '{"complete":true,"embed_dim":3,"id":"doc-2","meta":{"n":2},"modality":"text","num_patches":3,"part":0,"position":{"line":3,"ordinal":2},"total_bytes":15,"uri":"in/2.txt"}',
    ]);
    const [first] = samples;
    const loaded = loadPatches(first?.[1].get('safetensors') as Buffer);
    expect(loaded.pieces.map(({ length }) => length)).toEqual([3, 4, 2]);
    expect([...loaded.embeddings]).toEqual(values.slice(0, 2).flatMap((value) => [...value.embeddings]));
    expect(parseSafetensors(first?.[1].get('safetensors') as Buffer).metadata).toEqual({
      embed_dim: '3',
      format: 'blt_patches_v3',
      n_patches: '3',
      num_patches: '3',
      total_bytes: '9',
    });
  });

  it('writes archives without a trace of when and by whom', async () => {
    const { files } = await written(patchesOf(three));
    const members = untar(files.get('00000-000000.tar')!);
    expect(members).toHaveLength(6);
    for (const { mode, uid, gid, mtime, type, rest } of members) {
      expect({ mode, uid, gid, mtime, type, rest }).toEqual({
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: 0,
        type: '0',
        rest: '',
      });
    }
  });

  it('loses nothing, and writes the same bytes however the flow is divided', async () => {
    const at = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
    const options = fc.record({
      compression: fc.constantFrom('none', 'gzip', 'zstd'),
      samples: fc.integer({ min: 1, max: 5 }),
      shardBytes: fc.integer({ min: 4096, max: 20_000 }),
      sampleBytes: fc.integer({ min: 4096, max: 12_000 }),
      members: fc.constantFrom(
        undefined,
        ['safetensors'],
        ['payload', 'json', 'safetensors'],
        ['payload', 'safetensors'],
      ),
    }) as fc.Arbitrary<WebdatasetOptions>;
    await fc.assert(
      fc.asyncProperty(sketches({ maxLength: 300 }), at, options, async (documents, cuts, chosen) => {
        const values = patchesOf(documents);
        const whole = await written(values, chosen);
        expect((await written(divided(values, cuts), chosen)).files).toEqual(whole.files);
        const loaded = whole.samples.map(([, sample]) => loadPatches(sample.get('safetensors')!));
        expect(Buffer.concat(loaded.flatMap(({ pieces }) => pieces))).toEqual(
          Buffer.concat(values.map(({ bytes }) => bytes)),
        );
        const embeddings = loaded.flatMap((patches) => [...patches.embeddings]);
        expect(embeddings).toEqual(values.flatMap((value) => [...value.embeddings]));
        expect(new Set(whole.samples.map(([key]) => key)).size).toBe(whole.samples.length);
        for (const [i, [, sample]] of whole.samples.entries()) {
          const payload = sample.get('bin') ?? sample.get('txt');
          if (chosen.members?.includes('payload')) expect(payload).toEqual(Buffer.concat(loaded[i]?.pieces ?? []));
        }
      }),
      { numRuns: 25 },
    );
  });

  it('begins a shard where the number of samples or their bytes would be too many', async () => {
    const values = patchesOf([1, 4000, 1, 1, 1].map((length) => ({ segments: [[length]] })));
    const sizes = async (options: WebdatasetOptions) => {
      const { artefacts } = await written(values, { members: ['payload'], ...options });
      return artefacts.map(({ info }) => info['samples']);
    };
    expect(await sizes({})).toEqual([5]);
    expect(await sizes({ samples: 2 })).toEqual([2, 2, 1]);
    // Each member takes 512 bytes and its content in blocks of 512.
    expect(await sizes({ shardBytes: 4096 })).toEqual([1, 1, 3]);
    expect(await sizes({ shardBytes: 5632 })).toEqual([2, 3]);
  });

  it('goes on with a document that is larger than a sample as further samples', async () => {
    const values = patchesOf([{ segments: [[2]] }, { segments: [Array(400).fill(7)] }, { segments: [[9]] }]);
    const { samples, counts } = await written(values, {
      sampleBytes: 16_384,
      members: ['safetensors', 'json', 'payload'],
    });
    expect(samples.map(([key]) => key)).toEqual([
      '00000-00000000',
      '00000-00000001',
      '00000-00000001_1',
      '00000-00000001_2',
      '00000-00000002',
    ]);
    expect(counts).toEqual({ samples: 5, documents: 3, patches: 402, bytes: 2811 });
    const facts = samples.map(([, sample]) => jsonOf(sample));
    expect(facts.map(({ part, complete }) => [part, complete])).toEqual([
      [0, true],
      [0, false],
      [1, false],
      [2, true],
      [0, true],
    ]);
    expect(facts.slice(1, 4).map(({ id }) => id)).toEqual(['doc-1', 'doc-1', 'doc-1']);
    // A part of something is not what its extension would say.
    expect(samples.slice(1, 4).map(([, sample]) => sample.has('bin'))).toEqual([true, true, true]);
    expect(Buffer.concat(samples.map(([, sample]) => sample.get('bin') ?? sample.get('txt')!))).toEqual(
      Buffer.concat(values.map(({ bytes }) => bytes)),
    );
  });

  it('says of bytes that are derived how they were, and gives them no extension of the source', async () => {
    const [value] = patchesOf([{ segments: [[3], [4]], derived: 'utf-16le -> utf-8' }]);
    const text = {
      ...value!,
      bytes: Buffer.from('abc'),
      lengths: Int32Array.of(3),
      entropies: new Float32Array(0),
      norms: new Float32Array(0),
    };
    const last = { ...text, segment: { ...text.segment, last: true } };
    const { samples } = await written([last], { members: ['json', 'payload'] });
    expect(jsonOf(samples[0]?.[1])).toMatchObject({ derived: ['utf-16le -> utf-8'] });
    expect(samples[0]?.[1].get('txt')?.toString()).toBe('abc');
  });

  /** Ends of what `inflate` takes without what is before it, given all places where it may begin. */
  const samplesBehind = (file: Buffer, places: number[], inflate: (bytes: Buffer) => Buffer): number[] =>
    places.flatMap((at) => {
      try {
        return [samplesOf(untar(inflate(file.subarray(at)))).length];
      } catch {
        return [];
      }
    });
  const noise = (bytes: number): Uint8Array => {
    let state = 1;
    return Uint8Array.from({ length: bytes }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    });
  };
  const large = Array.from({ length: 12 }, (_, i): Document => documentOf(noise(300_000), i));

  it('takes a part of a file for what it is, however it arrives', async () => {
    const [value] = patchesOf([{ segments: [[3]] }]);
    const { document } = value!.segment;
    const source = { ...document.source, uri: 'a.jpg', position: { ordinal: 0, byte: 0, part: 0 } };
    const part = { ...value!, segment: { ...value!.segment, document: { ...document, source } } };
    const { samples } = await written([part], { members: ['payload'] });
    expect([...(samples[0]?.[1].keys() ?? [])]).toEqual(['bin']);
  });

  it('writes zstd files that can be entered at every frame', async () => {
    const { files, samples } = await written(large, { compression: 'zstd' });
    expect(samples).toHaveLength(12);
    const file = files.get('00000-000000.tar.zst')!;
    const magics = offsetsOf(file, Buffer.from('28b52ffd', 'hex'));
    // Every fourth sample takes a frame beyond 1 MiB; the last one ends the archive.
    expect(samplesBehind(file, magics, unzstd)).toEqual([12, 8, 4, 0]);
  });

  it('writes gzip files of one member, without a time or system, that can be entered at every flush', async () => {
    const { files, samples } = await written(large, { compression: 'gzip' });
    expect(samples).toHaveLength(12);
    const file = files.get('00000-000000.tar.gz')!;
    expect(file.subarray(0, 10).toString('hex')).toBe('1f8b08000000000000ff');
    // A reader that knows of one member only takes all of it.
    const one = inflateRawSync(file.subarray(10), { info: true }) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    expect(10 + one.engine.bytesWritten + 8).toBe(file.length);
    expect(one.buffer).toEqual(gunzipSync(file));
    const flushes = offsetsOf(file, Buffer.from('0000ffff', 'hex')).map((at) => at + 4);
    expect(samplesBehind(file, flushes, (bytes) => inflateRawSync(bytes))).toEqual([8, 4, 0]);
  });

  it('tells the bytes it holds', () => {
    const holds = (options: WebdatasetOptions) => webdataset('wds', { sampleBytes: 32 << 20, ...options }).holds;
    expect(holds({})).toBe((2 * 33 + 8) << 20);
    expect(holds({ compression: 'zstd' })).toBe((4 * 33 + 8) << 20);
  });
});

const documentOf = (bytes: Uint8Array, ordinal = 0, more: Partial<Document> = {}, uri = 'a.jsonl'): Document => ({
  id: `d${ordinal}`,
  source: { split: '00000', uri, position: { ordinal, line: ordinal + 1 } },
  bytes,
  meta: {},
  ...more,
});

describe('webdataset sink of documents', () => {
  it('writes their bytes and their facts, whatever they are called', async () => {
    const meta = { b: 10n ** 20n, a: [1, null], raw: Uint8Array.of(1) };
    const { samples, counts, artefacts } = await written([
      documentOf(Buffer.from('né'), 0, { id: '../a.b.c', record: 'row 7', modality: 'text', meta }),
      documentOf(Uint8Array.of(255, 0), 1),
    ]);
    expect(
      samples.map(([key, sample]) => [key, [...sample].map(([field, content]) => [field, content.toString('latin1')])]),
    ).toEqual([
      [
        '00000-00000000',
        [
          ['json', expect.any(String)],
          ['txt', Buffer.from('né').toString('latin1')],
        ],
      ],
      [
        '00000-00000001',
        [
          ['json', '{"id":"d1","meta":{},"position":{"line":2,"ordinal":1},"total_bytes":2,"uri":"a.jsonl"}'],
          ['bin', '\xff\0'],
        ],
      ],
    ]);
    expect(samples[0]?.[1].get('json')?.toString()).toBe(
      '{"id":"../a.b.c","meta":{"a":[1,null],"b":100000000000000000000,"raw":{"base64":"AQ=="}},"modality":"text","position":{"line":1,"ordinal":0},"record":"row 7","total_bytes":3,"uri":"a.jsonl"}',
    );
    expect(counts).toEqual({ samples: 2, documents: 2, bytes: 5 });
    expect(artefacts[0]?.info).toMatchObject({ content: 'documents', samples: 2, documents: 2, bytes: 5 });
  });

  const png = Buffer.from(
    '89504e470d0a1a0a0000000d494844520000000100000001010000000037 6ef9240000000a49444154789c6360000000020001 e221bc330000000049454e44ae426082'.replaceAll(
      ' ',
      '',
    ),
    'hex',
  );
  const own = (uri: string, member?: string): Partial<Document> => ({
    source: {
      split: '00000',
      uri,
      position: { ordinal: 0, byte: member === undefined ? 0 : 1024, ...(member === undefined ? {} : { member }) },
    },
  });
  it.each<[string, Uint8Array, Partial<Document>, string]>([
    ['code of a file of its own', Buffer.from('x = 1'), own('src/main.py'), 'py'],
    ['a member of an archive', Buffer.from('# hi'), own('a.tar!/b/README.MD', 'b/README.MD'), 'md'],
    ['text of an unknown kind', Buffer.from('x'), own('notes.pickle'), 'txt'],
    ['JSON, whose name is taken', Buffer.from('{}'), own('a.json'), 'txt'],
    ['a name that readers take for a number', Buffer.from('x'), own('a.cls'), 'txt'],
    ['a line of a file', Buffer.from('x'), {}, 'txt'],
    [
      'a part of a file',
      Buffer.from('x'),
      { source: { split: '00000', uri: 'a.py', position: { ordinal: 0, part: 1 } } },
      'bin',
    ],
    ['an image, whatever it is called', png, own('a.pickle'), 'png'],
    [
      'an image in a row',
      png,
      { source: { split: '00000', uri: 'a.parquet', position: { ordinal: 0, row: 3 } } },
      'png',
    ],
    ['bytes of no known kind', Uint8Array.of(255, 254, 0), own('a.pyd'), 'bin'],
    ['an archive', Buffer.from('504b0304140000000000ff', 'hex'), own('a.zip'), 'bin'],
    ['nothing', new Uint8Array(0), own('empty'), 'txt'],
  ])('gives the payload the extension of what it is: %s', async (_, bytes, more, extension) => {
    const { samples } = await written([documentOf(bytes, 0, more)], { members: ['payload'] });
    expect([...(samples[0]?.[1].keys() ?? [])]).toEqual([extension]);
  });

  it('writes nothing for a split that yields nothing', async () => {
    expect(await written([])).toMatchObject({ artefacts: [], counts: { documents: 0, bytes: 0 } });
  });

  it('refuses what does not belong together', async () => {
    const patches = patchesOf(three);
    const document = documentOf(Buffer.from('x'));
    await expect(written([document], { members: ['safetensors'] })).rejects.toMatchObject({ code: 'BAD_MEMBERS' });
    await expect(written([document, ...patches])).rejects.toMatchObject({ code: 'MIXED_VALUES' });
    await expect(written([...patches, document])).rejects.toMatchObject({ code: 'MIXED_VALUES' });
    await expect(written([{} as Document])).rejects.toMatchObject({ code: 'WRONG_VALUES' });
  });

  it.each([
    [{ compression: 'lz4' }, 'BAD_COMPRESSION'],
    [{ compression: 'toString' }, 'BAD_COMPRESSION'],
    [{ samples: 0 }, 'BAD_SAMPLES'],
    [{ samples: 1.5 }, 'BAD_SAMPLES'],
    [{ shardBytes: 100 }, 'BAD_SHARD_BYTES'],
    [{ sampleBytes: 100 }, 'BAD_SAMPLE_BYTES'],
    [{ members: [] }, 'BAD_MEMBERS'],
    [{ members: ['jpg'] }, 'BAD_MEMBERS'],
  ])('refuses %j', (options, code) => {
    expect(() => webdataset('wds', options as WebdatasetOptions)).toThrow(expect.objectContaining({ code }));
  });
});

describe('the index of shards', () => {
  it('lists them all with their samples, and the output is found sound', async () => {
    const output = await temporaryFolder();
    const pipeline = definePipeline('index', numbers([3, 0, 5]))
      .pipe(map((document: Document) => document))
      .to(webdataset('wds', { samples: 4, compression: 'zstd', name: 'things' }));
    await run(pipeline, { output });
    const read = async (name: string) => JSON.parse(await readFile(path.join(output, 'wds', name), 'utf8'));
    expect(await read('sizes.json')).toEqual({
      '00000-000000.tar.zst': 3,
      '00002-000000.tar.zst': 4,
      '00002-000001.tar.zst': 1,
    });
    const { shardlist, ...rest } = await read('index.json');
    expect(rest).toEqual({ __kind__: 'wids-shard-index-v1', wids_version: 1, name: 'things' });
    const files = await filesOf(output, 'wds');
    expect(shardlist).toEqual(
      [3, 4, 1].map((nsamples, i) => {
        const url = ['00000-000000.tar.zst', '00002-000000.tar.zst', '00002-000001.tar.zst'][i] ?? '';
        return { url, nsamples, filesize: files.get(url)?.length };
      }),
    );
    expect(await verifyOutput(output)).toMatchObject({ ok: true, findings: [], files: 5 });
  });
});
