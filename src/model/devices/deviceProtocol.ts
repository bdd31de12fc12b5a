import type { Ceilings } from '../../gpu/ceilings.ts';
import type { AdapterChoice } from '../../gpu/index.ts';
import type { KernelTimes } from '../../gpu/profile.ts';
import type { ForwardResult, ForwardTask } from '../cpu/forward.ts';
import type { GpuWeightForm } from '../gpu/weightForm.ts';

/** Where a process shall run the model. */
export type DeviceSpec =
  | {
      readonly kind: 'onnx';
      /** Execution provider of ONNX Runtime. */
      readonly provider: string;
    }
  | {
      readonly kind: 'webgpu';
      readonly adapter: AdapterChoice;
      readonly weights: GpuWeightForm;
      readonly memoryBytes: number | undefined;
      readonly profile: boolean;
    };

/** Opens the model and checks the device; comes first, and once. */
export interface OpenRequest {
  readonly kind: 'open';
  /** Model folder or GGUF file. */
  readonly path: string;
  readonly spec: DeviceSpec;
}

/** Computes one pass. */
export interface PassRequest {
  readonly kind: 'pass';
  /** Keys and values stay in the device's process, one window for each document. */
  readonly document: number;
  /** Passes of smaller numbers go first. */
  readonly priority: number;
  readonly task: DeviceTask;
}

/** Asks for the times of all kernels so far. */
export interface TimesRequest {
  readonly kind: 'times';
}

/** Gives up the keys and values of a document that goes no further; is not answered. */
export interface ForgetRequest {
  readonly kind: 'forget';
  readonly document: number;
}

export type DeviceRequest = OpenRequest | PassRequest | TimesRequest;

/** What the device's process is sent: requests with a number to answer to. */
export type DeviceMessage = (DeviceRequest & { readonly id: number }) | ForgetRequest;

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

/** What a device that has been opened says of itself. */
export interface OpenedDevice {
  readonly agreement: Agreement;
  /** What decides its bits beside its kind: devices of equal identity give equal bits. */
  readonly identity: string;
  /** For people. */
  readonly description: string;
  /** Tokens that it computes at once. */
  readonly batchTokens: number;
  /** The longest piece that it has room for. */
  readonly mostPieceTokens: number;
}

export interface DeviceTimes {
  /** Name of the device. */
  readonly device: string;
  readonly kernels: readonly KernelTimes[];
  readonly ceilings: Ceilings;
}

export interface DeviceFailure {
  readonly code: string;
  readonly message: string;
  readonly path?: string | undefined;
  readonly hint?: string | undefined;
  /** It is about one pass; the device works on. */
  readonly ofPass?: boolean | undefined;
}

/** The answer to the request of that number. */
export type DeviceReply = { readonly id: number } & (
  | { readonly opened: OpenedDevice }
  | { readonly result: DeviceResult }
  | { readonly times: DeviceTimes }
  | { readonly failure: DeviceFailure }
);
