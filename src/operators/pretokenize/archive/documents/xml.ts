import { SaxesParser } from 'saxes';
import { Failure } from '../../../../sources/failure.ts';
import { canonicalCharset } from '../../text/charset.ts';

/** What is told of an XML part; names are without their prefixes, and attributes are found with or without. */
export interface XmlReader {
  open?(name: string, attribute: (name: string) => string | undefined): void;
  close?(name: string): void;
  text?(text: string): void;
}

/** Elements in one another at most. */
const DEEPEST = 1000;

/** Names without their prefixes: a document has few, each of them many times; who makes up many gains nothing. */
class LocalNames {
  readonly #known = new Map<string, string>();

  of(name: string): string {
    let local = this.#known.get(name);
    if (local !== undefined) return local;
    local = name.slice(name.indexOf(':') + 1);
    if (this.#known.size < MOST_NAMES) this.#known.set(name, local);
    return local;
  }
}

const MOST_NAMES = 1000;

/** The charset of XML (XML 1.0, appendix F): a mark, the declaration, else UTF-8. */
function decoded(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, 200)).toString('latin1');
  const marked = bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : bytes[0] === 0xff ? 'utf-16le' : undefined;
  const stated = /^(?:\xef\xbb\xbf)?<\?xml[^>]*\sencoding=["']([\w.:-]+)["']/.exec(head)?.[1];
  const charset = marked ?? (stated === undefined ? 'utf-8' : canonicalCharset(stated));
  if (charset === undefined || charset.startsWith('utf-32')) throw new Error(`unknown charset ${stated}`);
  return new TextDecoder(charset, { fatal: true }).decode(bytes);
}

/**
 * Reads an XML part from its beginning to its end. Entities that it defines itself are none: nothing is expanded, nothing
 * is fetched.
 *
 * @throws Failure `DAMAGED_FILE` where it is not well-formed; what the reader throws
 */
export function readXml(bytes: Uint8Array, part: string, reader: XmlReader): void {
  const parser = new SaxesParser();
  const names = new LocalNames();
  /** Names of the elements that are open. */
  const opened: string[] = [];
  let attributes: Readonly<Record<string, string>> = {};
  const attribute = (wanted: string): string | undefined => {
    if (wanted in attributes) return attributes[wanted];
    for (const key in attributes) if (names.of(key) === wanted) return attributes[key];
    return undefined;
  };
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', (tag) => {
    const name = names.of(tag.name);
    if (opened.push(name) > DEEPEST) throw new Error(`more than ${DEEPEST} elements lie in one another`);
    attributes = tag.attributes;
    reader.open?.(name, attribute);
  });
  parser.on('closetag', () => {
    const name = opened.pop();
    if (name !== undefined) reader.close?.(name);
  });
  parser.on('text', (text) => reader.text?.(text));
  parser.on('cdata', (text) => reader.text?.(text));
  try {
    parser.write(decoded(bytes)).close();
  } catch (error) {
    if (error instanceof Failure) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new Failure('DAMAGED_FILE', `part '${part}' is no well-formed XML: ${why.slice(0, 200)}`, undefined, error);
  }
}
