import type { Observable } from 'rxjs';
import { jsonl } from '../../src/sources/index.ts';

export type { Document } from '../../src/records.ts';

type Value<S> = S extends { read(split: never): Observable<infer T> } ? T : never;

const all = () =>
  jsonl('x', {
    columns: {
      id: 'string',
      text: 'string',
      score: 'double',
      n: 'int64',
      tags: 'list<string>',
      note: 'string?',
      at: 'timestamp',
    },
  });
const body = () => jsonl('x', { columns: { body: 'binary', text: 'string' }, text: 'body' });

export const wrong = [
  // @ts-expect-error: no such kind
  () => jsonl('x', { columns: { text: 'strnig' } }),
  // @ts-expect-error: the id is not among the columns
  () => jsonl('x', { columns: { text: 'string' }, id: 'key' }),
];

export declare const jsonlTypes: { all: Value<ReturnType<typeof all>>; body: Value<ReturnType<typeof body>> };
