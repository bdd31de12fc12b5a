import { Observable } from 'rxjs';
import type { PatchRule } from '../model/patchEnds.ts';
import type { Encoded, Meta, Modality } from '../records.ts';

/** How patches of a modality will be cut, by a model whose own threshold for it is `auto`. */
export type PatchRuleFor = (auto: number | undefined, modality: Modality) => PatchRule;

/** What `embed` gives: a flow that a stage right behind it may ask for means over patches in place of states. */
export class EncodedFlow<M extends Meta = Meta> extends Observable<Encoded<M>> {
  readonly #pooled: (ruleFor: PatchRuleFor) => Observable<Encoded<M>>;

  constructor(plain: Observable<Encoded<M>>, pooled: (ruleFor: PatchRuleFor) => Observable<Encoded<M>>) {
    super((out) => plain.subscribe(out));
    this.#pooled = pooled;
  }

  /** The same flow, of values with `pooled` where the model can and `preNorm` where it cannot. */
  pooled(ruleFor: PatchRuleFor): Observable<Encoded<M>> {
    return this.#pooled(ruleFor);
  }
}
