import type { AdapterChoice } from '../../gpu/index.ts';
import type { Chain } from '../chain.ts';
import type { Encoded, TrainedTensor } from '../scheme.ts';

/** Puts a quantizer on the device, under a number; the first one opens the device. */
interface OpenRequest {
  readonly kind: 'open';
  readonly coder: number;
  readonly adapter: AdapterChoice;
  readonly chain: Chain;
  readonly columns: number;
  readonly trained: readonly TrainedTensor[];
}

interface EncodeRequest {
  readonly kind: 'encode';
  readonly coder: number;
  readonly rows: Float32Array;
}

interface DecodeRequest {
  readonly kind: 'decode';
  readonly coder: number;
  readonly encoded: readonly Uint8Array[];
}

/** Gives up a quantizer; is answered as well. */
interface CloseRequest {
  readonly kind: 'close';
  readonly coder: number;
}

export type CoderRequest = OpenRequest | EncodeRequest | DecodeRequest | CloseRequest;

/** What the process is sent: requests with a number to answer to. */
export type CoderMessage = CoderRequest & { readonly id: number };

export interface CoderFailure {
  /** About the device, or about rows and codes, which the CPU then looks at. */
  readonly of: 'device' | 'values';
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** The answer to the request of that number. */
export type CoderReply = { readonly id: number } & (
  | { readonly done: true }
  | { readonly encoded: Encoded }
  | { readonly rows: Float32Array<ArrayBuffer> }
  | { readonly failure: CoderFailure }
);
