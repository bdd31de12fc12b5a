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

const localName = (name: string): string => name.slice(name.indexOf(':') + 1);

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
  let depth = 0;
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }) => {
    if (++depth > DEEPEST) throw new Error(`more than ${DEEPEST} elements lie in one another`);
    reader.open?.(localName(name), (wanted) => {
      if (wanted in attributes) return attributes[wanted];
      for (const key in attributes) if (localName(key) === wanted) return attributes[key];
      return undefined;
    });
  });
  parser.on('closetag', ({ name }) => {
    depth--;
    reader.close?.(localName(name));
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
