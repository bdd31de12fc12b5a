/** What an element is by its name, in bits. */
export const UNSEEN = 1;
/** Surrounds the content of a page. */
export const AROUND = 1 << 1;
/** May surround it, if its class, id or links say so. */
export const BLOCK = 1 << 2;
export const CONTENT = 1 << 3;
export const LINK = 1 << 4;
/** What it does to the text around it and in it. */
export const PARAGRAPH = 1 << 5;
export const LINE = 1 << 6;
export const PREFORMATTED = 1 << 7;
export const LIST = 1 << 8;
export const OTHER = 1 << 9;

const NAMES: readonly (readonly [trait: number, names: string])[] = [
  [
    UNSEEN,
    'applet area audio base button canvas datalist embed frame frameset head iframe input link meta noembed noframes noscript object option optgroup param script select source style svg template textarea title track video',
  ],
  [AROUND, 'nav aside footer menu dialog'],
  [BLOCK, 'div section ul ol dl table form header'],
  [CONTENT, 'main article'],
  [LINK, 'a'],
  [
    PARAGRAPH,
    'article aside blockquote dl figure footer form h1 h2 h3 h4 h5 h6 header hr main nav p pre section table',
  ],
  [
    LINE,
    'address body caption center dd details dialog dir div dt fieldset figcaption hgroup html legend li listing menu ol search summary tbody tfoot thead tr ul xmp',
  ],
  [PREFORMATTED, 'pre listing xmp plaintext'],
  [LIST, 'ul ol menu dir'],
  [OTHER, 'annotation annotation-xml br img li math q table td th tr'],
];

const TRAITS = new Map<string, number>();
for (const [trait, names] of NAMES) {
  for (const name of names.split(' ')) TRAITS.set(name, (TRAITS.get(name) ?? 0) | trait);
}

export const traitsOf = (tagName: string): number => TRAITS.get(tagName) ?? 0;
