import type { Form } from '../kernel.ts';
import { levelsOf } from './levels.ts';

/** Forms that know `Codes`, the whole numbers to a `Value`, and refuse bits that there are not. */
export function quantiseForms<S extends string>(forms: readonly Form<S | 'bits'>[]): Form<S | 'bits'>[] {
  return forms.map((form) => ({
    ...form,
    code: `alias Codes = ${form.vectors ? 'vec4<i32>' : 'i32'};\n${form.code}`,
    workgroups: (sizes) => {
      levelsOf(sizes.bits);
      return form.workgroups(sizes);
    },
  }));
}
