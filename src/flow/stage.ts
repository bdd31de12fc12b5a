import { Observable, type Observer, type Subscription } from 'rxjs';
import { Inlet } from './inlet.ts';
import { currentMonitor, enterStage, type StageInfo } from './monitor.ts';

/** What every stage may say of itself to the monitor; see `StageInfo`. */
export interface StageOptions {
  /** Shown in plans, progress, errors. Default: the operator's own name. */
  readonly name?: string | undefined;
  readonly kind?: StageInfo['kind'] | undefined;
  /** Bytes it may hold besides its room. */
  readonly holds?: number | undefined;
  /** See `StageInfo`. */
  readonly processes?: StageInfo['processes'];
  /** Its share of a memory budget, against the other stages. 0: its room never changes. */
  readonly weight?: number | undefined;
  /** The least bytes its room works with: one largest value. */
  readonly least?: number | undefined;
  /** What the stage was given, for plans and digests. */
  readonly options?: unknown;
  /** Further facts that decide its output but take work to know. */
  readonly identify?: StageInfo['identify'];
  /** Refuse the first value that carries no gate. Default: what the monitor says; false without one. */
  readonly strict?: boolean | undefined;
}

/** Registers a stage with the monitor of the flow that is being subscribed, and opens its inlet with the granted room. */
export function openStage(info: StageInfo, strict: boolean | undefined): Inlet {
  const stage = enterStage(info);
  const inlet = new Inlet(info.name, stage.room, strict ?? currentMonitor()?.strict ?? false);
  stage.watch(inlet);
  return inlet;
}

/**
 * Subscribes a stage to its source. The end of `out` ends the source even while that emits synchronously inside
 * `subscribe`, and such values (`of`, `startWith`) pass a strict inlet: they are there already, and a full room
 * still refuses them.
 */
export function attach<A>(source: Observable<A>, out: Subscription, inlet: Inlet, observer: Observer<A>): void {
  const strict = inlet.strict;
  inlet.strict = false;
  subscribeWithin(source, out, observer);
  inlet.strict = strict;
}

/** Subscribes so that the end of `out` ends a source which emits synchronously inside `subscribe`. */
export function subscribeWithin<A>(source: Observable<A>, out: Subscription, observer: Observer<A>): void {
  new Observable<A>((inner) => {
    out.add(inner);
    return source.subscribe(inner);
  }).subscribe(observer);
}

export function isPromiseLike<T>(value: unknown): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
