import { PipelineError } from '../errors.ts';
import { type Chain, resolveChain } from './chain.ts';
import { type SchemeSpec, schemeNames, schemeOf } from './schemes.ts';

/**
 * Reads a chain as a command line has it: schemes with `+` between them, each with its most important number behind a colon
 * where it is to be another than the default.
 *
 *     parseChain('int8')
 *     parseChain('pca:64+int8')
 *
 * @throws PipelineError `BAD_OPTION`
 */
export function parseChain(text: string): Chain {
  return resolveChain(
    text.split('+').map((part): SchemeSpec => {
      const [name = '', value, ...more] = part.trim().split(':');
      const { shorthand } = schemeOf(name);
      if (value === undefined) return name as SchemeSpec;
      if (shorthand === undefined || more.length > 0 || !/^\d+$/.test(value)) throw unreadable(part, shorthand, name);
      return { scheme: name, [shorthand]: Number(value) } as SchemeSpec;
    }),
  );
}

function unreadable(part: string, shorthand: string | undefined, name: string): PipelineError {
  return new PipelineError(`'${part}' is no quantization scheme`, {
    code: 'BAD_OPTION',
    hint:
      shorthand === undefined
        ? `${name} takes no number; such as pca:64+int8; schemes are ${schemeNames.join(', ')}`
        : `${name}:<${shorthand}>, a whole number`,
  });
}
