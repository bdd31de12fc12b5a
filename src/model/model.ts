import type { ModelError } from '../errors.ts';
import type { PooledStates } from '../records.ts';
import type { ModelConfig } from './config.ts';
import type { LayerCounts } from './cpu/layers/sharedLayers.ts';
import type { PatchRule } from './patchEnds.ts';
import type { ModalityThresholds } from './thresholds.ts';

export interface EncodeOptions {
  /** Return the states before the final norm. Default: false. */
  readonly preNorm?: boolean | undefined;
  /**
   * Tokens of one forward pass. Default: 1024. Cuts are counted from the document's start, so results depend on nothing
   * else; another value changes float bits, not more.
   */
  readonly pieceTokens?: number | undefined;
  /** Return means of states over the parts of patches cut by this rule, in place of states; where the model `pools`. */
  readonly pool?: PatchRule | undefined;
  /** Documents with a smaller number are served first. Default: in the order of calls. */
  readonly priority?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Byte view of a run of a document: see `Encoded` in records.ts. */
export interface EncodedPiece {
  /** Offset of the first byte within the document. */
  readonly offset: number;
  /** f32[n], nats: uncertainty about byte i given all bytes before it. */
  readonly entropies: Float32Array;
  /** f32[n]: L2 norm of the state at byte i. */
  readonly norms: Float32Array;
  /** f32[n * dim]. */
  readonly preNorm?: Float32Array | undefined;
  readonly pooled?: PooledStates | undefined;
}

export interface TokenOptions {
  readonly preNorm?: boolean | undefined;
  /** Return f32[T * vocabulary] scores: for tests and studies. */
  readonly logits?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Token view: one value per token, BOS and EOS included; `entropies[i]` is about token i + 1. */
export interface TokenSignals {
  /** f32[T], nats. */
  readonly entropies: Float32Array;
  /** f32[T]. */
  readonly norms: Float32Array;
  /** f32[T * dim]. */
  readonly preNorm?: Float32Array | undefined;
  /** f32[T * vocabulary]. */
  readonly logits?: Float32Array | undefined;
}

/** A byte-level language model that says how uncertain each next byte is. */
export interface EntropyModel {
  readonly config: ModelConfig;
  readonly dir: string;
  /** sha256 over config.json, the weights and calibration.json: equal ids give equal patches. */
  readonly id: string;
  readonly dim: number;
  /** Passes that run at once. */
  readonly threads: number;
  /** The threshold that gives the model's target patch length (nats); absent where the folder has no calibration.json. */
  readonly autoThreshold: number | undefined;
  /** The same for modalities that have thresholds of their own. */
  readonly modalityThresholds: ModalityThresholds;
  /** Token rows computed since it was opened. */
  readonly rowsComputed: number;
  /** What became of the decoded layers that passes asked for; absent where weights are used as they lie in their file. */
  readonly layerCounts?: LayerCounts | undefined;
  /** Whether `encode` can pool. */
  readonly pools?: boolean | undefined;
  /** Why nothing can be computed any more; absent while all is well. */
  readonly lost?: ModelError | undefined;
  /**
   * `stream` mode: BOS and the document's bytes in pieces that carry keys and values, so that a document of any length
   * gets the exact sliding-window result with no token computed twice. An empty document yields nothing.
   * Throws ModelError.
   */
  encode(bytes: Uint8Array, options?: EncodeOptions): AsyncGenerator<EncodedPiece, void, void>;
  /**
   * `reference` mode of one row of token ids (`calculate_entropies` of facebookresearch/blt): independent rows of 8192
   * tokens, no BOS added, documents separated at EOS. Throws ModelError, or SluiceError `TOKEN_RANGE`.
   */
  referenceTokens(ids: ArrayLike<number>, options?: TokenOptions): Promise<TokenSignals>;
  close(): Promise<void>;
}
