import { type Command, Help, Option } from 'commander';
import { z } from 'zod';
import { UsageError } from '../errors.ts';
import { isTemplate, type Pipeline, type PipelineTemplate } from '../run/definition.ts';
import { selfCommand } from './values.ts';

interface Property {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly items?: { readonly type?: string };
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Adds one typed flag for every parameter of a pipeline; help lists them before the command's own. The last of two is never just taken. */
export function addParameters(command: Command, definition: Pipeline | PipelineTemplate): void {
  for (const option of command.options) refuseTwice(command, option, 'it takes one value');
  if (!isTemplate(definition)) return;
  const general = new Set(command.options);
  command.configureHelp({
    visibleOptions(shown) {
      const all = new Help().visibleOptions(shown);
      return [...all.filter((option) => !general.has(option)), ...all.filter((option) => general.has(option))];
    },
  });
  for (const [name, property] of Object.entries(propertiesOf(definition))) {
    const option = optionFor(name, property);
    const text = property.type === 'string' && property.enum === undefined;
    command.addOption(option);
    refuseTwice(command, option, `it takes one value${text ? '; a folder or a pattern names several files' : ''}`);
  }
}

/** Has a flag that takes one value fail where it comes a second time. */
function refuseTwice(command: Command, option: Option, hint: string): void {
  if (!option.required || option.variadic) return;
  let given = false;
  command.on(`option:${option.name()}`, () => {
    if (given) throw new UsageError(`${option.long} was given twice`, { code: 'BAD_FLAG', hint });
    given = true;
  });
}

function propertiesOf(template: PipelineTemplate): Record<string, Property> {
  const schema = z.toJSONSchema(template.parameters, { io: 'input', unrepresentable: 'any' }) as {
    properties?: Record<string, Property>;
  };
  return schema.properties ?? {};
}

function optionFor(name: string, property: Property): Option {
  const flag = `--${kebab(name)}`;
  const kind = property.enum ? 'choice' : (property.type ?? 'value');
  const shape = kind === 'boolean' ? '' : kind === 'array' ? ` <${property.items?.type ?? 'value'}...>` : ` <${kind}>`;
  const fallback = property.default === undefined ? '' : ` (default: ${JSON.stringify(property.default)})`;
  const option = new Option(flag + shape, `${property.description ?? ''}${fallback}`.trim());
  if (property.enum) option.choices(property.enum.map(String));
  else if (kind === 'number' || kind === 'integer') option.argParser((text) => numberOf(flag, text, kind));
  return option;
}

function numberOf(flag: string, text: string, kind: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || (kind === 'integer' && !Number.isInteger(value))) {
    throw new UsageError(`${flag} takes ${kind === 'integer' ? 'a whole number' : 'a number'}, not '${text}'`, {
      code: 'BAD_FLAG',
    });
  }
  return value;
}

/**
 * Builds a pipeline from the flags that were given.
 * @throws UsageError naming every flag that is missing or wrong
 */
export function buildPipeline(definition: Pipeline | PipelineTemplate, flags: Record<string, unknown>): Pipeline {
  if (!isTemplate(definition)) return definition;
  const names = Object.keys(propertiesOf(definition));
  const given = Object.fromEntries(
    names.filter((name) => flags[name] !== undefined).map((name) => [name, flags[name]]),
  );
  const parsed = definition.parameters.safeParse(given);
  if (parsed.success) return definition.build(parsed.data);
  const wrong = parsed.error.issues.map((issue) => {
    const name = String(issue.path[0] ?? '');
    return given[name] === undefined ? `--${kebab(name)} is needed` : `--${kebab(name)}: ${issue.message}`;
  });
  throw new UsageError(`pipeline '${definition.name}': ${wrong.join('; ')}`, {
    code: 'BAD_PARAMETERS',
    hint: `see: ${selfCommand} run ${definition.name} --help`,
  });
}
