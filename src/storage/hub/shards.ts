import { SourceError } from '../../errors.ts';

const NUMBERED = /^(.*-)(\d{5,})(-of-)(\d{5,})(.*)$/s;

/**
 * Checks that files which are numbered `-00000-of-00005` are all there: of a listing that may lack some, nothing else tells.
 *
 * @throws SourceError `OFFLINE` naming the first that is missing
 */
export function requireShards(repository: string, files: readonly { readonly path: string }[]): void {
  const there = new Set(files.map(({ path }) => path));
  const seen = new Set<string>();
  for (const path of there) {
    const [, before = '', number = '', of = '', total = '', after = ''] = NUMBERED.exec(path) ?? [];
    const series = [before, of, total, after].join('\0');
    // A name may claim any total: looking ends at the first that is missing.
    if (seen.has(series)) continue;
    seen.add(series);
    for (let shard = 0; shard < Number(total); shard++) {
      const name = `${before}${String(shard).padStart(number.length, '0')}${of}${total}${after}`;
      if (there.has(name)) continue;
      throw new SourceError(`the cache does not have '${name}' of the dataset '${repository}'`, {
        code: 'OFFLINE',
        path: name,
        hint: 'Unset HF_HUB_OFFLINE, or fetch it on a machine that may ask the Hub.',
      });
    }
  }
}
