/** Headers of an answer: names in lower case, several of one name joined by `, `. */
export type Headers = Readonly<Record<string, string>>;

/** A header's value, by its name in lower case. */
export function header(headers: Headers, name: string): string | undefined {
  return Object.hasOwn(headers, name) ? headers[name] : undefined;
}

/** Joins headers that were sent several times. */
export function joinHeaders(headers: Readonly<Record<string, string | readonly string[] | undefined>>): Headers {
  const joined: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return joined;
}

/** A header that holds a whole number of bytes, such as `content-length`; undefined where it does not. */
export function bytesHeader(headers: Headers, name: string): number | undefined {
  const text = header(headers, name);
  const bytes = text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A validator that stands for the bytes themselves: weak ones (`W/"..."`) do not (RFC 9110, section 8.8.3). */
export function strongTag(headers: Headers, name = 'etag'): string | undefined {
  const tag = header(headers, name)?.trim();
  return tag === undefined || tag === '' || tag.startsWith('W/') ? undefined : tag;
}
