import { isFolder, refusal } from '../../../archives/tarEntry.ts';
import { tarHeaders } from '../../../archives/tarHeaders.ts';
import type { Failure } from '../../../sources/failure.ts';
import type { Members } from './members.ts';
import { memoryFile } from './memoryFile.ts';

/**
 * Hands the regular files of a tar archive on: views of its bytes, nothing is copied. Where it breaks off, so is that.
 * @param charged whether the archive's bytes were made here, and are charged already
 */
export async function tarMembers(
  bytes: Uint8Array<ArrayBuffer>,
  members: Members,
  charged: boolean,
): Promise<Failure | undefined> {
  let broken: Failure | undefined;
  const told = (failure: Failure): void => {
    broken = failure;
  };
  for await (const header of tarHeaders(memoryFile(bytes), told)) {
    if (isFolder(header)) continue;
    const { name, byte, size } = header;
    const content = (): Uint8Array => bytes.subarray(byte, byte + size);
    await members.add({ name, size, refused: refusal(header), content }, charged);
  }
  return broken;
}
