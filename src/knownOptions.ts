import { PipelineError } from './errors.ts';
import { didYouMean } from './suggest.ts';

type Nested<V> = V extends (...args: never) => unknown
  ? never
  : V extends readonly (infer E)[]
    ? Nested<E>
    : V extends object
      ? OptionNames<V>
      : never;

/**
 * The members of an options type, all of them and no others. `true` stands for a member whose own members, if it has any,
 * are not looked at; an object names those of an object, or of each object in a list.
 */
export type OptionNames<O> = { readonly [K in keyof O]-?: true | Nested<NonNullable<O[K]>> };

/**
 * Refuses options that do not exist: types are stripped from pipeline files, so that nobody else tells of a misspelt name.
 * Members that are undefined count as left out.
 *
 * @param of what takes the options, for the message
 * @param names as the type of the options has them: the compiler refuses a list with one missing or one too many
 * @throws PipelineError `UNKNOWN_OPTION`, and `BAD_OPTION` where the options are no object
 */
export function requireOptions<O extends object, N extends OptionNames<NoInfer<O>>>(
  of: string,
  options: O,
  names: N & { readonly [K in Exclude<keyof N, keyof O>]: never },
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new PipelineError(`the options of ${of} are no object`, {
      code: 'BAD_OPTION',
      hint: `such as { ${Object.keys(names)[0]}: ... }`,
    });
  }
  requireMembers(of, options, names);
}

function requireMembers(of: string, options: object, names: object): void {
  const known = new Map<string, unknown>(Object.entries(names));
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const nested = known.get(name);
    if (nested === undefined) {
      throw new PipelineError(`${of} has no option '${name}'`, {
        code: 'UNKNOWN_OPTION',
        hint: didYouMean(name, [...known.keys()]),
      });
    }
    if (typeof nested !== 'object' || nested === null || typeof value !== 'object' || value === null) continue;
    const within = of.includes(':') ? `${of}.${name}` : `${of}: ${name}`;
    if (!Array.isArray(value)) requireMembers(within, value, nested);
    else {
      for (const [place, element] of value.entries()) {
        if (typeof element === 'object' && element !== null) requireMembers(`${within}[${place}]`, element, nested);
      }
    }
  }
}
