/** What a row counts for besides the bytes in it: its numbers, and the objects that stand for them on their way. */
export const DOCUMENT_BYTES = 1024;
export const PATCH_BYTES = 256;
