import type { FurtherTable, RowTarget } from '../sidecarTables.ts';

/** Rows of a table of the sidecar in hand whose keys lie in [from, end); numbers grow by these. */
export interface CopiedRows {
  readonly table: CopiedTable;
  readonly from: number;
  readonly end: number;
  readonly key: number;
  readonly patch: number;
}

export type CopiedTable = 'nodes' | 'sphere_patches' | 'sphere_edges';

/** Where the rows of a corpus go: to its database, or to be compared with what is there. */
export interface CorpusTarget extends RowTarget {
  /** Whether what is there is what was added: further rows are made of it. */
  readonly isSound: boolean;
  /** Says which sidecar rows are copied from, until the next. */
  take(file: string): void;
  copy(rows: CopiedRows): void;
  /** Makes a table that not every database has. */
  create(table: FurtherTable): void;
  /** Makes indexes, by statements of SQL. */
  index(statements: string): void;
  /** Does work that reads rows of some tables while it adds to others. */
  reading(work: () => void): void;
  /** What was added is there to be read; before rows are copied behind those added. */
  flush(): void;
}

/** For each table that is copied: its key, and its columns with what they grow by. */
export const copied: Readonly<
  Record<CopiedTable, { readonly key: string; readonly columns: readonly [string, 'key' | 'patch' | undefined][] }>
> = {
  nodes: {
    key: 'id',
    columns: [
      ['id', 'key'],
      ['data', undefined],
      ['metadata', undefined],
    ],
  },
  sphere_patches: {
    key: 'node_id',
    columns: [
      ['node_id', 'key'],
      ['patch_idx', 'patch'],
      ['prominence', undefined],
    ],
  },
  sphere_edges: {
    key: 'id',
    columns: [
      ['id', 'key'],
      ['src_patch', 'patch'],
      ['dst_patch', 'patch'],
      ['weight', undefined],
      ['label', undefined],
    ],
  },
};
