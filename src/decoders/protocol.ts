/** What a decoder process is told: which module works, and how much of its file of tasks is the task. */
export interface TaskMessage {
  /** Module whose default export is a {@link DecoderWork}. */
  readonly module: string;
  /** Plain values beside the bytes. */
  readonly facts: unknown;
  /** Bytes of the task, at the beginning of the file of tasks. */
  readonly bytes: number;
}

/**
 * What it answers. A result lies in the file of results from {@link RESULTS_AT} on: bytes of its parts one after another,
 * then how they fit together.
 */
export type AnswerMessage =
  | { readonly kind: 'ready'; readonly resident: number }
  | { readonly kind: 'done'; readonly parts: readonly number[]; readonly head: number; readonly resident: number }
  | {
      readonly kind: 'failed';
      readonly code: string;
      readonly message: string;
      readonly hint?: string | undefined;
      readonly resident: number;
    }
  /** No record can be decoded here: the module cannot be loaded, or the file of results cannot grow. */
  | { readonly kind: 'unusable'; readonly code: string; readonly message: string };

/** What a decoder module does: bytes and plain values to plain values with typed arrays in them. */
export type DecoderWork = (bytes: Uint8Array, facts: unknown) => Promise<unknown>;

/** Descriptors that a decoder process inherits, besides the channel. */
export const TASKS_FD = 4;
export const RESULTS_FD = 5;

/** Where results begin. What stands before them is for {@link CAUSES}, so that a result is never taken for one, nor damaged. */
export const RESULTS_AT = 16;

/** Arrays from this size on travel by themselves, without being copied into the head of the result. */
export const PART_BYTES = 64 << 10;

/** Bytes read or written at once: systems take no more than 2^31 - 1. */
export const MOST_AT_ONCE = 1 << 30;

/** Why a watch ended its process: the first byte of the file of results; 0 while it runs. */
export const CAUSES = { time: 1, memory: 2 } as const;
