/**
 * Layout of an index file: entries of members in the archive's order; rows of the name table in ascending order of hashes
 * (`NAME_ROW` bytes each); rows of blocks (`BLOCK_ROW` bytes each); the head as JSON; then the trailer: its length (u32), the
 * CRC-32 of all before the trailer (u32), both little-endian, and the magic. Rows begin at multiples of their size.
 */
export const MAGIC = 'SLUARCH1';
export const TRAILER = 16;

/** Start and end of a block in the compressed archive, start of its content in the archive, place in the pack + 1: f64 each. */
export const BLOCK_ROW = 32;

/** Multiple of the sizes of both kinds of rows. */
export const ALIGNMENT = 96;

/** Where an archive is damaged. */
export interface Damage {
  readonly code: string;
  readonly message: string;
  /** Offset in the (decompressed) archive behind what was read. */
  readonly byte: number;
}

/** How the content of members is got at. */
export type ArchiveKind = 'tar' | 'compressed' | 'zip';

export interface ArchiveFacts {
  readonly kind: ArchiveKind;
  /** Bytes of a compressed archive's content. */
  readonly contentBytes: number;
  readonly damage: Damage | null;
  /** Name and length of the file with what cannot be read anew from the archive. */
  readonly pack: { readonly file: string; readonly bytes: number } | null;
}

export interface IndexHead extends ArchiveFacts {
  /** What tells this archive, and these rules, from others. */
  readonly key: string;
  readonly entriesEnd: number;
  readonly rowsStart: number;
  /** Rows: members, of those with one name the last. */
  readonly rows: number;
  /** Entries that a later one of the same name takes the place of. */
  readonly superseded: number;
  readonly blocksStart: number;
  readonly blocks: number;
}
