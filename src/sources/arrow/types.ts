/** How the values of an Arrow column are stored, as far as it matters to read or to skip them. */
export type ArrowType =
  | { readonly kind: 'null' | 'bool' | 'runs' }
  | { readonly kind: 'int'; readonly bytes: 1 | 2 | 4 | 8; readonly signed: boolean }
  | { readonly kind: 'float'; readonly bytes: 2 | 4 | 8 }
  /** Lengths apart: behind one another, with offsets of 4 or 8 bytes. */
  | { readonly kind: 'bytes'; readonly text: boolean; readonly offset: 4 | 8 }
  /** Views: short ones inline, others in any number of buffers. */
  | { readonly kind: 'views'; readonly text: boolean }
  | { readonly kind: 'fixed'; readonly bytes: number }
  | { readonly kind: 'decimal'; readonly bytes: number; readonly scale: number }
  | { readonly kind: 'date'; readonly unit: 'days' | 'milliseconds' }
  | { readonly kind: 'timestamp'; readonly unit: TimeUnit }
  /** Times of a day, durations and intervals. */
  | { readonly kind: 'span'; readonly bytes: number }
  | { readonly kind: 'list' | 'listView'; readonly offset: 4 | 8; readonly item: ArrowType }
  | { readonly kind: 'fixedList'; readonly size: number; readonly item: ArrowType }
  | { readonly kind: 'struct'; readonly members: readonly ArrowField[] }
  | { readonly kind: 'map'; readonly entries: ArrowType }
  | { readonly kind: 'union'; readonly dense: boolean; readonly members: readonly ArrowField[] }
  | { readonly kind: 'dictionary'; readonly id: bigint; readonly indices: ArrowIndices; readonly values: ArrowType };

export type TimeUnit = 'seconds' | 'milliseconds' | 'microseconds' | 'nanoseconds';

export interface ArrowIndices {
  readonly bytes: 1 | 2 | 4 | 8;
  readonly signed: boolean;
}

export interface ArrowField {
  readonly name: string;
  readonly type: ArrowType;
}

export interface ArrowSchema {
  readonly fields: readonly ArrowField[];
}

export interface Region {
  readonly offset: number;
  readonly length: number;
}

/** What a message says of its body: values of one column after the other, each in a few buffers. */
export interface ArrowBatch {
  readonly rows: number;
  readonly nodes: readonly { readonly length: number; readonly nulls: number }[];
  readonly buffers: readonly Region[];
  /** Buffers of each column of views. */
  readonly variadic: readonly number[];
  readonly codec: 'lz4' | 'zstd' | undefined;
}

export type ArrowMessage = { readonly bodyLength: number } & (
  | { readonly kind: 'schema'; readonly schema: ArrowSchema }
  | { readonly kind: 'batch'; readonly batch: ArrowBatch }
  | { readonly kind: 'dictionary'; readonly id: bigint; readonly delta: boolean; readonly batch: ArrowBatch }
  | { readonly kind: 'other' }
);

/** Where a message lies in a file: its length, its metadata, its body. */
export interface ArrowBlock {
  readonly offset: number;
  /** From `offset` to the body. */
  readonly metadataLength: number;
  readonly bodyLength: number;
}

export interface ArrowFooter {
  readonly schema: ArrowSchema;
  readonly dictionaries: readonly ArrowBlock[];
  readonly batches: readonly ArrowBlock[];
}
