import type { ErrorDetails } from '../../errors.ts';
import type { PooledStates } from '../../records.ts';
import type { ModelFile } from '../modelFile.ts';
import type { PatchRule, PatchState } from '../patchEnds.ts';
import type { SharedLayers } from './layers/sharedLayers.ts';

/** One forward pass: the next tokens of one document. */
export interface ForwardTask {
  /** i32[T]. */
  readonly tokens: Int32Array<ArrayBuffer>;
  /** Rotary position of the first token. */
  readonly position: number;
  /** What the pass before handed on. */
  readonly past?: KeyValues | undefined;
  /** Turn the carried keys back by so many positions first; `position` is counted after that. */
  readonly rebase?: number | undefined;
  /** i32[T]: the row, among past and tokens, at which each token's document begins. Absent: no separation. */
  readonly firstRows?: Int32Array<ArrayBuffer> | undefined;
  /** Hand keys and values on. */
  readonly carry: boolean;
  /** Memory to hand them on in: room for a window. Absent: the worker makes its own. */
  readonly into?: Float32Array<SharedArrayBuffer> | undefined;
  readonly preNorm: boolean;
  readonly logits: boolean;
  /** Give means of states; only for devices that can. */
  readonly pool?: PoolTask | undefined;
}

/** States of a pass are averaged over the parts that patches cut its bytes into. */
export interface PoolTask {
  readonly rule: PatchRule;
  readonly state: PatchState;
  /** Entropy about the pass's first byte, which is of the pass before; BOS is no byte. */
  readonly pending: number;
  /** The pass begins with BOS. */
  readonly first: boolean;
  readonly last: boolean;
}

/**
 * Rotated keys and values of the last positions: f32[layers, 2, kvHeads, rows, headDim]. The memory is shared, because a
 * pass may have to be repeated in another worker; it is never written to again.
 */
export interface KeyValues {
  readonly rows: number;
  readonly data: Float32Array<SharedArrayBuffer>;
}

/** Per token: entropy over the vocabulary in nats (about the token after it), L2 norm of its state, and what was asked for. */
export interface ForwardResult {
  /** f32[T]. */
  readonly entropies: Float32Array<ArrayBuffer>;
  /** f32[T]. */
  readonly norms: Float32Array<ArrayBuffer>;
  /** f32[T * dim]: the residual stream before the final norm. */
  readonly preNorm?: Float32Array<ArrayBuffer> | undefined;
  /** f32[T * vocabulary]. */
  readonly logits?: Float32Array<ArrayBuffer> | undefined;
  readonly pooled?: PooledStates | undefined;
  readonly next?: KeyValues | undefined;
}

/** What a worker needs to open a model. */
export interface SessionSpec {
  readonly model: ModelFile;
  /** Digest of the model, and of how it is computed. */
  readonly id: string;
  /** Threads within one pass; bits do not depend on them. */
  readonly threads: number;
  /** Decoded layers that the workers of this process share; absent where weights are mapped from their file. */
  readonly layers?: SharedLayers | undefined;
}

/** What a worker gets: passes of different documents that are computed one by one. */
export interface ForwardBatch {
  readonly spec: SessionSpec;
  readonly tasks: readonly ForwardTask[];
}

/** Why a pass was not computed; without a code it is about this pass alone. */
export interface PassFailure extends Partial<ErrorDetails> {
  readonly message: string;
}

/** `abandoned`: another worker died with layers in its hands that this pass needed; it was not this pass's fault. */
export type ForwardOutcome =
  | { readonly result: ForwardResult }
  | { readonly failure: PassFailure }
  | { readonly abandoned: true };
