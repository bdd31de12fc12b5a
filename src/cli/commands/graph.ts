import { Command, InvalidArgumentError } from 'commander';
import { UsageError } from '../../errors.ts';
import { type EdgeLabel, type Hypergraph, type Neighbour, openHypergraph } from '../../hypergraph/index.ts';
import { count } from '../format.ts';
import { jsonLine } from '../progress/reporters.ts';
import { positiveInteger } from '../values.ts';

interface GraphFlags {
  readonly documents?: boolean;
  readonly document?: string;
  readonly neighbours?: string;
  readonly label?: readonly EdgeLabel[];
  readonly depth: number;
  readonly limit: number;
  readonly json?: boolean;
}

const labels: readonly EdgeLabel[] = ['contains', 'next', 'same_source', 'semantic'];
/** Bytes of a patch that are shown. */
const SHOWN = 60;

export function graphCommand(): Command {
  return new Command('graph')
    .argument('<graph>', 'output folder, sidecar, or the database of a whole run')
    .description('ask a hypergraph: what it holds, the patches of a document, what is linked to a document or a patch')
    .option('--documents', 'its documents: id, patches, bytes')
    .option('--document <id>', 'its patches: number, range in the source, entropy, content')
    .option('--neighbours <id[:patch]>', 'what edges lead to, from a document or from its nth patch (from 0)')
    .option('--label <names>', `edges to follow, of ${labels.join(', ')} (default: all)`, readLabels)
    .option('--depth <n>', 'edges to follow one behind the other', positiveInteger, 1)
    .option('--limit <n>', 'documents, patches, or neighbours, at most', positiveInteger, 100)
    .option('--json', 'one JSON object a line on stdout')
    .action(async (path: string, flags: GraphFlags) => {
      const graph = await openHypergraph(path);
      try {
        if (flags.documents) showDocuments(graph, flags);
        else if (flags.document !== undefined) showPatches(graph, flags.document, flags);
        else if (flags.neighbours !== undefined) showNeighbours(graph, flags.neighbours, flags);
        else showCounts(graph, flags);
      } finally {
        graph.close();
      }
    });
}

function showCounts(graph: Hypergraph, { json }: GraphFlags): void {
  const { patchEdges, ...counts } = graph.counts();
  if (json) {
    jsonLine({ files: graph.files, ...counts, patch_edges: patchEdges });
    return;
  }
  const rows = { files: graph.files.length, ...counts, ...prefixed('edges between patches, ', patchEdges) };
  for (const [name, count] of Object.entries(rows)) line(`${name.padEnd(36)}${count}`);
}

function showDocuments(graph: Hypergraph, { limit, json }: GraphFlags): void {
  for (const { id, patches, bytes, modality, uri } of graph.documents({ limit })) {
    if (json) jsonLine({ id, patches, bytes, modality, uri });
    else line(`${id}  ${count(patches)} ${patches === 1 ? 'patch' : 'patches'}  ${count(bytes)} bytes`);
  }
}

function showPatches(graph: Hypergraph, id: string, { limit, json }: GraphFlags): void {
  for (const patch of graph.patches(id, { limit, bytes: true })) {
    const { bytes, ...rest } = patch;
    if (json) jsonLine({ ...rest, text: bytes && utf8(bytes) });
    else line(`${patch.index}  ${patch.start}-${patch.end}  ${patch.entropy.toFixed(3)}  ${textOf(bytes)}`);
  }
}

function showNeighbours(graph: Hypergraph, of: string, flags: GraphFlags): void {
  const { label, depth, limit, json } = flags;
  for (const neighbour of graph.neighbours(startOf(graph, of), { label, depth, limit })) {
    const { bytes, ...told } = toldOf(graph, neighbour);
    if (json) jsonLine({ ...neighbour, ...told, text: bytes && utf8(bytes) });
    else {
      const { id, index } = told;
      const what = index === undefined ? neighbour.kind : `patch ${index}`;
      const text = bytes && textOf(bytes);
      line(
        `${neighbour.label.padEnd(12)}${neighbour.weight.toFixed(3)}  ${id}  ${what}${text === undefined ? '' : `  ${text}`}`,
      );
    }
  }
}

/** A document where there is one of this name, else a patch of one. */
function startOf(graph: Hypergraph, of: string): { document: number } | { patch: number } {
  const whole = graph.document(of);
  if (whole !== undefined) return { document: whole.document };
  const [, id = '', index = ''] = /^(.*):(\d+)$/s.exec(of) ?? [];
  const document = graph.document(id);
  if (document === undefined) {
    throw new UsageError(`there is no document '${of}' in this graph`, {
      code: 'NO_DOCUMENT',
      hint: `give the id of a document, or its id, a colon and the number of a patch. ${graph.near(of)}`,
    });
  }
  if (Number(index) < document.patches) return { patch: document.firstPatch + Number(index) };
  throw new UsageError(`document '${id}' has ${document.patches} patches`, {
    code: 'NO_PATCH',
    hint: 'patches are counted from 0',
  });
}

/** What a neighbour is called in the source. */
function toldOf(
  graph: Hypergraph,
  { document, patch, node }: Neighbour,
): { id?: string | undefined; index?: number | undefined; bytes?: Uint8Array | undefined } {
  if (patch === undefined)
    return { id: (document === undefined ? graph.documentOfNode(node) : graph.document(document))?.id };
  const found = graph.patch(patch, { bytes: true });
  const id = graph.documentOf(patch)?.id;
  return { id, index: found?.index, bytes: found?.bytes };
}

function textOf(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return '';
  return `${JSON.stringify(utf8(bytes.subarray(0, SHOWN)))}${bytes.length > SHOWN ? '...' : ''}`;
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

function readLabels(text: string): EdgeLabel[] {
  return text.split(',').map((name) => {
    const label = labels.find((known) => known === name.trim());
    if (label === undefined) throw new InvalidArgumentError(`It takes names out of ${labels.join(', ')}.`);
    return label;
  });
}

function prefixed(prefix: string, counts: object): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [prefix + name, count]));
}

function line(text: string): void {
  process.stdout.write(`${text}\n`);
}
