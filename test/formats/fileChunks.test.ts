import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { fileChunks, fileLines } from '../../src/formats/fileChunks.ts';
import { temporaryFolder } from '../sinks/flow.ts';

async function fileOf(content: Uint8Array | string): Promise<string> {
  const file = path.join(await temporaryFolder(), 'x');
  await writeFile(file, content);
  return file;
}

describe('file chunks', () => {
  it.each([
    [0, 100, 7],
    [3, 50, 8],
    [90, 1000, 64],
    [100, 200, 5],
    [40, 40, 5],
  ])('are the bytes from %d to %d in pieces of %d', async (start, end, size) => {
    const content = Uint8Array.from({ length: 100 }, (_, i) => i);
    const pieces: Uint8Array[] = [];
    for await (const chunk of fileChunks(await fileOf(content), start, end, size)) pieces.push(chunk.slice());
    expect([...Buffer.concat(pieces)]).toEqual([...content.subarray(start, end)]);
    for (const piece of pieces.slice(0, -1)) expect(piece.length).toBe(size);
  });
});

describe('file lines', () => {
  const linesOf = async (content: Uint8Array | string): Promise<string[]> => {
    const lines: string[] = [];
    for await (const line of fileLines(await fileOf(content))) lines.push(line);
    return lines;
  };

  it.each([
    ['', []],
    ['a', ['a']],
    ['a\n', ['a']],
    ['a\n\nb', ['a', '', 'b']],
    ['\n', ['']],
  ])('of %j are %j', async (content, expected) => {
    expect(await linesOf(content)).toEqual(expected);
  });

  it('join what a piece of the file divides, characters included', async () => {
    const line = 'é'.repeat(400_000);
    expect(await linesOf(`x${line}\n${line}`)).toEqual([`x${line}`, line]);
  });

  it('refuse bytes that are not UTF-8', async () => {
    await expect(linesOf(Uint8Array.of(0x61, 0xff))).rejects.toThrow(TypeError);
  });
});
