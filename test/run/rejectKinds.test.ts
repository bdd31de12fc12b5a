import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordError } from '../../src/errors.ts';
import { RejectKinds } from '../../src/run/rejectKinds.ts';

const reject = (code: string, ordinal: number, message = `${code} at ${ordinal}`): RecordError =>
  new RecordError(message, { code, path: 'rows', position: { ordinal }, hint: `mend ${ordinal}` });

function kindsOf(errors: readonly RecordError[]): RejectKinds {
  const kinds = new RejectKinds();
  for (const error of errors) kinds.add(error);
  return kinds;
}

describe('rejects by code', () => {
  it('name the most frequent one, with the first record that has it', () => {
    expect(kindsOf([reject('A', 0), reject('B', 4), reject('B', 2), reject('B', 3)]).commonest).toEqual({
      code: 'B',
      count: 3,
      example: { message: 'B at 2', hint: 'mend 2', path: 'rows', position: { ordinal: 2 } },
    });
    expect(new RejectKinds().commonest).toBeUndefined();
  });

  it('are the same in whatever order stages reject', () => {
    const errors = fc.array(
      fc.record({ code: fc.constantFrom('A', 'B', 'C'), ordinal: fc.nat(5), message: fc.constantFrom('x', 'y') }),
    );
    const shuffled = errors.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    );
    fc.assert(
      fc.property(shuffled, ([list, other]) => {
        const [a, b] = [list, other].map((each) =>
          kindsOf(each.map(({ code, ordinal, message }) => reject(code, ordinal, message))),
        );
        expect(a?.commonest).toEqual(b?.commonest);
      }),
    );
  });

  it('are added up over splits; the example is that of the first split', () => {
    const kinds = kindsOf([reject('A', 7)]);
    kinds.append(kindsOf([reject('B', 0), reject('A', 1)]));
    expect(kinds.commonest).toMatchObject({ code: 'A', count: 2, example: { message: 'A at 7' } });
    kinds.append(kindsOf([reject('B', 0), reject('B', 3)]));
    expect(kinds.commonest).toMatchObject({ code: 'B', count: 3, example: { message: 'B at 0' } });
  });

  it('keep no more than a line of a long message', () => {
    const message = kindsOf([reject('A', 0, 'x'.repeat(1e6))]).commonest?.example.message ?? '';
    expect(message).toHaveLength(300);
    expect(message.endsWith('x…')).toBe(true);
  });
});
