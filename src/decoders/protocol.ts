/** What a decoder process is told: which module works, and where in its exchange files the task lies. */
export interface TaskMessage {
  /** Module whose default export is a {@link DecoderWork}. */
  readonly module: string;
  /** Plain values beside the bytes. */
  readonly facts: unknown;
  /** Bytes of the task, at the beginning of the file of tasks. */
  readonly bytes: number;
}

/** What it answers; the result lies in the file of results: bytes of its parts one after another, then how they fit together. */
export type AnswerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly parts: readonly number[]; readonly head: number; readonly resident: number }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly hint?: string | undefined };

/** What a decoder module does: bytes and plain values to plain values with typed arrays in them. */
export type DecoderWork = (bytes: Uint8Array, facts: unknown) => Promise<unknown>;

/** Descriptors that a decoder process inherits, besides the channel. */
export const TASKS_FD = 4;
export const RESULTS_FD = 5;

/** Arrays from this size on travel by themselves, without being copied into the head of the result. */
export const PART_BYTES = 4096;

/** Why a watch ended its process: the first byte of what it leaves in the file of results. */
export const CAUSES = { time: 0xf1, memory: 0xf2 } as const;
/** What stands before that byte, so that a result in the file is not taken for it. */
export const CAUSE_MARK = 'sluice decoder stopped: ';
