import { describe, expect, it } from 'vitest';
import { iterate, pull } from '../../src/flow/index.ts';
import { embed, patch, pretokenize } from '../../src/operators/index.ts';
import type { Document, Patches } from '../../src/records.ts';
import { hypergraph } from '../../src/sinks/hypergraph.ts';
import { jsonl } from '../../src/sinks/jsonl.ts';
import { npz } from '../../src/sinks/npz.ts';
import { parquet } from '../../src/sinks/parquet.ts';
import { safetensors } from '../../src/sinks/safetensors.ts';
import { signals } from '../../src/sinks/signals.ts';
import type { Sink } from '../../src/sinks/sink.ts';
import { sqlite } from '../../src/sinks/sqlite.ts';
import { webdataset } from '../../src/sinks/webdataset.ts';
import { patchesOf, writeAll } from '../sinks/flow.ts';

const [patches] = patchesOf([{ segments: [[3, 4]] }]) as [Patches];
const { segment } = patches;
const document: Document = {
  id: 'a',
  source: { split: '00000', uri: 'a.txt', position: { ordinal: 0 } },
  bytes: Buffer.from('abc'),
  meta: {},
};
const batch = { index: 0, values: [document], units: 1, bytes: 3, longest: 3 };
const encoded = { segment, offset: 0, bytes: segment.bytes, last: true, entropies: [], norms: [], dim: 4 };

const wrong = (message: string, hint: string) => ({ name: 'PipelineError', code: 'WRONG_VALUES', message, hint });

describe('a sink of patches', () => {
  it.each([npz(), safetensors(), signals(), hypergraph()])('$kind refuses everything else', async (sink) => {
    const given = (value: unknown) => writeAll([sink as Sink<unknown>], [value]);
    await expect(given(document)).rejects.toMatchObject(
      wrong(`${sink.kind} takes patches, and documents come to it`, 'put pretokenize(), embed(), patch() before it'),
    );
    await expect(given(segment)).rejects.toMatchObject({ hint: 'put embed(), patch() before it' });
    await expect(given(encoded)).rejects.toMatchObject({ hint: 'put patch() before it' });
    await expect(given(batch)).rejects.toMatchObject({ hint: 'put it behind patch()' });
    await expect(given('text')).rejects.toMatchObject(
      wrong(`${sink.kind} takes patches, and values of another kind come to it`, 'put it behind patch()'),
    );
  });
});

describe('a sink of documents or patches', () => {
  it.each([jsonl(), parquet(), sqlite(), webdataset()])('$kind refuses what lies between', async (sink) => {
    const given = (value: unknown) => writeAll([sink as Sink<unknown>], [value]);
    await expect(given(segment)).rejects.toMatchObject(
      wrong(
        `${sink.kind} takes documents or patches, and segments come to it`,
        'put it before pretokenize(); or put embed(), patch() before it',
      ),
    );
    await expect(given({})).rejects.toMatchObject({
      hint: 'put it behind the source; or put it behind patch()',
    });
  });
});

describe('an operator', () => {
  it.each([
    ['embed', embed(), document, 'segments, and documents', 'put pretokenize() before it'],
    ['embed', embed(), { ...batch }, 'segments, and documents', 'put pretokenize() before it'],
    ['patch', patch(), document, 'encoded runs, and documents', 'put pretokenize(), embed() before it'],
    ['patch', patch(), segment, 'encoded runs, and segments', 'put embed() before it'],
    ['pretokenize', pretokenize(), segment, 'documents, and segments', 'put it before pretokenize()'],
  ] as const)('%s says what it lacks', async (name, operator, value, said, hint) => {
    const flow = pull(() => [[value as never]]).pipe(operator as never);
    await expect(iterate(flow).next()).rejects.toMatchObject(wrong(`${name} takes ${said} come to it`, hint));
  });
});
