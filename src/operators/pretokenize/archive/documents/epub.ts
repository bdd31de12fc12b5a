import { Failure } from '../../../../sources/failure.ts';
import { readHtml } from '../../text/markup/html.ts';
import { declaredCharset } from '../../text/markup/htmlCharset.ts';
import type { DocumentPart, NewText } from './documentPart.ts';
import { type Parts, resolvePart } from './parts.ts';
import { readXml } from './xml.ts';

const CONTAINER = 'META-INF/container.xml';
const ENCRYPTION = 'META-INF/encryption.xml';
const CHAPTERS: ReadonlySet<string> = new Set(['application/xhtml+xml', 'text/html', 'application/x-dtbook+xml']);

/** The chapters of a book in the order in which they are read (EPUB 3.3, package document). */
export async function* bookText(parts: Parts, newText: NewText): AsyncGenerator<DocumentPart> {
  const root = await packagePart(parts);
  const encrypted = await encryptedParts(parts);
  let chapter = 0;
  for (const part of await spine(parts, root)) {
    if (!parts.has(part)) continue;
    if (encrypted.has(part)) throw new Failure('ENCRYPTED', `'${part}' of the book is encrypted`);
    const out = newText();
    const title = await parts.read(part, (bytes) => {
      const { text, title } = readHtml(charactersOf(bytes), { html: 'all' });
      out.add(text);
      return title;
    });
    chapter++;
    yield { label: 'chapter', meta: { chapter, part, ...(title === undefined ? {} : { title }) }, bytes: out.bytes() };
  }
}

function charactersOf(bytes: Uint8Array): string {
  const marked = bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : bytes[0] === 0xff ? 'utf-16le' : undefined;
  return new TextDecoder(marked ?? declaredCharset(bytes) ?? 'utf-8').decode(bytes);
}

async function packagePart(parts: Parts): Promise<string> {
  let found: string | undefined;
  await parts.read(CONTAINER, (bytes) =>
    readXml(bytes, CONTAINER, {
      open(name, attribute) {
        if (name === 'rootfile') found ??= attribute('full-path');
      },
    }),
  );
  if (found === undefined) throw new Failure('DAMAGED_FILE', 'the book does not say where its package document lies');
  return resolvePart('', found);
}

async function spine(parts: Parts, root: string): Promise<string[]> {
  const items = new Map<string, string>();
  const order: string[] = [];
  await parts.read(root, (bytes) =>
    readXml(bytes, root, {
      open(name, attribute) {
        const [id, href] = [attribute('id') ?? '', attribute('href')];
        if (name === 'item' && href !== undefined && CHAPTERS.has(attribute('media-type') ?? '')) {
          items.set(id, resolvePart(root, href));
        }
        if (name === 'itemref') order.push(attribute('idref') ?? '');
      },
    }),
  );
  // What is listed twice is read once.
  return [...new Set(order.flatMap((id) => items.get(id) ?? []))];
}

async function encryptedParts(parts: Parts): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  if (!parts.has(ENCRYPTION)) return found;
  await parts.read(ENCRYPTION, (bytes) =>
    readXml(bytes, ENCRYPTION, {
      open(name, attribute) {
        const uri = attribute('URI');
        if (name === 'CipherReference' && uri !== undefined) found.add(resolvePart('', uri));
      },
    }),
  );
  return found;
}
