import type { ForwardResult, ForwardTask } from '../forward.ts';

/** Opens the model and checks the device; comes first, and once. */
export interface OpenRequest {
  readonly kind: 'open';
  /** Model folder or GGUF file. */
  readonly path: string;
  /** Execution provider. */
  readonly provider: string;
}

/** Computes one pass. */
export interface PassRequest {
  readonly kind: 'pass';
  /** Keys and values stay in the device's process, one window for each document. */
  readonly document: number;
  readonly task: DeviceTask;
}

/** Gives up the keys and values of a document that goes no further. */
export interface ForgetRequest {
  readonly kind: 'forget';
  readonly document: number;
}

export type DeviceRequest = OpenRequest | PassRequest | ForgetRequest;

/** A pass as in {@link ForwardTask}, its past being what the document's pass before left behind. */
export interface DeviceTask extends Omit<ForwardTask, 'past' | 'into'> {
  /** Rows of the past; 0 at the start of a document. */
  readonly pastRows: number;
}

/** As in {@link ForwardResult}; of the keys and values only the number of rows. */
export interface DeviceResult extends Omit<ForwardResult, 'next'> {
  readonly nextRows: number;
}

/** What the self-check of a device found, against the CPU. */
export interface Agreement {
  /** Largest difference of an entropy, in nats. */
  readonly entropyDifference: number;
  /** Largest relative difference of a norm. */
  readonly normDifference: number;
  /** Tokens compared. */
  readonly tokens: number;
}

export interface DeviceFailure {
  readonly code: string;
  readonly message: string;
  readonly path?: string | undefined;
  readonly hint?: string | undefined;
}

/** Answers come in the order of requests, one for each but `forget`. */
export type DeviceReply =
  | { readonly opened: Agreement }
  | { readonly result: DeviceResult }
  | { readonly failure: DeviceFailure };
