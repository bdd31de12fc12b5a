import type { Hub } from '../hub.ts';
import { hubFetch } from '../hubFetch.ts';
import type { Uploads } from './uploads.ts';

/** Bytes of small files that a commit may hold itself; all others go to git-LFS, wherever the Hub would put them. */
const MOST_INLINE = 8 << 20;

interface Preupload {
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

interface Modes {
  readonly files: readonly { readonly path: string; readonly uploadMode: string }[];
}

/**
 * `fetch` for commits of the Hub's client library: files are streamed, all else goes as {@link hubFetch} sends it. The library
 * holds the contents of small files in memory until it commits; once they come to 8 MiB, the rest is uploaded like large ones.
 */
export function pushFetch(hub: Hub, uploads: Uploads, signal?: AbortSignal): typeof fetch {
  const plain = hubFetch(hub.http, signal);
  let inline = 0;
  return async (input, init = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    if (init.method === 'PUT') {
      if (!(init.body instanceof Blob)) throw new TypeError('only files are put');
      const etag = await uploads.put(url, init.body, init.signal ?? undefined);
      return new Response(null, { status: 200, headers: etag === undefined ? {} : { etag } });
    }
    const response = await plain(input, init);
    if (!/\/preupload\/[^/?]+$/.test(url)) return response;
    // The library's own question, and the Hub's answer to it.
    const { files } = JSON.parse(String(init.body)) as Preupload;
    const sizes = new Map(files.map(({ path, size }) => [path, size]));
    const answer = (await response.json()) as Modes;
    const modes = answer.files.map((file) => {
      if (file.uploadMode === 'lfs') return file;
      const size = sizes.get(file.path) ?? 0;
      if (inline + size > MOST_INLINE) return { ...file, uploadMode: 'lfs' };
      inline += size;
      return file;
    });
    return Response.json({ ...answer, files: modes });
  };
}
