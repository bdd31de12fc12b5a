/** Background colours of the 256-colour palette from certain to surprised. */
const scale = [234, 235, 236, 237, 24, 25, 31, 36, 71, 106, 142, 136, 166, 160, 124, 88];
/** Entropy, in nats, of the last colour. */
const HIGHEST = 4;

/**
 * Bytes as text with a bar before every patch, each character on a background that tells its entropy.
 * Bytes that are no text appear as two hexadecimal digits.
 */
export function colouredBytes(
  content: Uint8Array,
  entropies: readonly number[],
  lengths: readonly number[],
  colour: boolean,
): string {
  const parts: string[] = [];
  let start = 0;
  for (const length of lengths) {
    parts.push(colour ? '\x1b[90m│\x1b[0m' : '|');
    for (let i = start; i < Math.min(start + length, content.length); ) {
      const size = characterSize(content, i, Math.min(start + length, content.length));
      const text = visible(content.subarray(i, i + size));
      parts.push(colour ? `\x1b[48;5;${background(entropies[i] ?? 0)}m${text}\x1b[0m` : text);
      i += size;
    }
    start += length;
  }
  return parts.join('');
}

function background(entropy: number): number {
  const step = Math.floor((entropy / HIGHEST) * scale.length);
  return scale[Math.min(scale.length - 1, Math.max(0, step))] ?? 0;
}

/** Bytes of the UTF-8 character at `i`, as far as it lies before `end`; 1 where there is none. */
function characterSize(content: Uint8Array, i: number, end: number): number {
  const lead = content[i] ?? 0;
  const size = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
  if (i + size > end) return 1;
  for (let k = 1; k < size; k++) if (((content[i + k] ?? 0) & 0xc0) !== 0x80) return 1;
  return size;
}

function visible(character: Uint8Array): string {
  const [byte = 0] = character;
  if (byte === 10) return '↵\n';
  if (byte === 9) return '→';
  if (character.length === 1 && (byte < 32 || byte > 126)) return `‹${byte.toString(16).padStart(2, '0')}›`;
  return new TextDecoder().decode(character);
}
