import { createHash } from 'node:crypto';
import type { OpenFile } from '../../sources/open-file.ts';
import type { FoundFile } from '../../sources/walk.ts';
import type { Store } from '../stores.ts';
import { HttpClient } from './client.ts';
import { foundFile, openHttp } from './openHttp.ts';
import type { HttpSettings } from './settings.ts';
import { originOf } from './urls.ts';

/** Files at http(s) URLs, each named by itself: servers list nothing. */
class HttpStore implements Store {
  readonly #client: HttpClient;

  constructor(settings: HttpSettings) {
    this.#client = new HttpClient(settings);
  }

  async *list(input: string, signal?: AbortSignal): AsyncGenerator<FoundFile> {
    const file = foundFile(await this.#client.describe(input, { signal }));
    yield { ...file, uri: publicName(input) };
  }

  async open(file: FoundFile, signal?: AbortSignal): Promise<OpenFile> {
    return openHttp(this.#client, file, signal);
  }
}

/**
 * The URL as documents and messages may show it. A query may be a signature or a password, so eight digits of its hash stand
 * for it, as a folder: the name of the file still says what it is.
 */
export function publicName(url: string): string {
  const [plain = '', query] = url.split('#', 1)[0]?.split(/\?(.*)/s) ?? [];
  if (query === undefined) return plain;
  const at = plain.lastIndexOf('/') + 1;
  const mark = createHash('sha256').update(query).digest('hex').slice(0, 8);
  return `${plain.slice(0, at)}~${mark}/${plain.slice(at)}`;
}

/**
 * @param inputs what a person named: their origins count as configured, so they may lie in a private network. Where `hosts` is
 *   given, it alone decides. Whatever redirects or data name is checked as ever.
 * @throws PipelineError `BAD_OPTION`
 */
export async function httpStore(settings: HttpSettings, inputs: readonly string[] = []): Promise<Store> {
  if (settings.hosts !== undefined) return new HttpStore(settings);
  const origins = inputs
    .filter((input) => /^https?:/i.test(input) && URL.canParse(input))
    .map((input) => originOf(new URL(input)));
  return new HttpStore({ ...settings, endpoints: [...(settings.endpoints ?? []), ...origins] });
}
