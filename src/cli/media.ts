import { readFile } from 'node:fs/promises';
import { SluiceError } from '../errors.ts';
import { findFfmpeg } from '../operators/pretokenize/video/findFfmpeg.ts';
import type { Finding } from './backends.ts';

/** What `sluice doctor` says of what takes pictures, sound, video and code apart, and may be left out of an installation. */
export async function* mediaFindings(ffmpegPath: string | undefined): AsyncIterable<Finding> {
  yield await ffmpegFinding(ffmpegPath);
  yield loaded('sharp', 'pictures other than BMP', async () => {
    const { versions } = (await import('sharp')).default;
    return `${versions.sharp}, libvips ${versions.vips}`;
  });
  for (const name of ['@vscode/tree-sitter-wasm', '@repomix/tree-sitter-wasms']) {
    const use = `grammars of ${name}`;
    yield { ...(await loaded(name, use, () => installed(name))), part: 'code grammars' };
  }
}

async function ffmpegFinding(ffmpegPath: string | undefined): Promise<Finding> {
  const part = 'ffmpeg';
  try {
    const program = await findFfmpeg({ ffmpegPath });
    if (program === undefined) {
      return {
        part,
        state: 'off',
        detail:
          'not on the PATH: video, AAC and some other sound are rejected (UNDECODED); install it (Debian: apt install ffmpeg, macOS: brew install ffmpeg), or name one with --ffmpeg-path',
      };
    }
    const { version, path, limited, tied } = program;
    const lacking = [
      ...(limited ? [] : ['prlimit, which bounds its memory']),
      ...(tied ? [] : ['setpriv, which ties its end to that of its decoder']),
    ];
    const detail = `${version}, ${path === 'ffmpeg' ? 'on the PATH' : path}: decodes video, AAC and sound of other formats`;
    return {
      part,
      state: 'ok',
      detail: lacking.length === 0 ? detail : `${detail}; there is no ${lacking.join(', no ')}`,
    };
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return { part, state: 'off', detail: `${error.message}; ${error.hint ?? ''}` };
  }
}

/** Says what is off where a package does not load. */
async function loaded(name: string, use: string, load: () => unknown): Promise<Finding> {
  try {
    return { part: name, state: 'ok', detail: `${use}: ${await load()}` };
  } catch (error) {
    const why = (error instanceof Error ? error.message : String(error)).split('\n')[0];
    return { part: name, state: 'off', detail: `${use} are rejected (UNDECODED): npm install ${name} (${why})` };
  }
}

/** The version of a package that only holds files. */
async function installed(name: string): Promise<string> {
  const file = await readFile(new URL(import.meta.resolve(`${name}/package.json`)), 'utf8');
  return (JSON.parse(file) as { version: string }).version;
}
