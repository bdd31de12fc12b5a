import { PipelineError, SluiceError } from '../errors.ts';
import { counting, filesOf, listTables, type TableFile, tableFiles } from '../export/tableFiles.ts';
import { float32From, littleEndianBytes } from '../formats/littleEndian.ts';
import { SPHERE_FORMAT, SPHERE_INDEX_FORMAT, SPHERE_NPZ_FORMAT } from '../formats/names.ts';
import { canonicalJson, type JsonValue } from '../json.ts';
import { openByteFile } from '../layouts/byteFile.ts';
import { definePipeline, type Pipeline } from '../run/definition.ts';
import type { JobStage, TaskContext } from '../run/jobStage.ts';
import type { Axes } from './axes.ts';
import { type AllocateOptions, type AllocateSettings, allocateSettings } from './options.ts';
import { placedRows, writeSphereNpz, writeSphereTensors } from './sphereFile.ts';
import { sampleHolds, WEIGH_BYTES, weighed } from './weigh.ts';

export interface AllocateRun extends AllocateOptions {
  /** Over which patches radii are allocated: `all` of the input, or those of each `file`. Default `all`. */
  readonly scope?: 'all' | 'file' | undefined;
  readonly formats?: readonly ('npz' | 'safetensors')[] | undefined;
  /** Folder of shards within an output. */
  readonly dir?: string | undefined;
  /** Whether `f1` files have special tokens; see docs/layouts.md. Default: true. */
  readonly specialTokens?: boolean | undefined;
  /** Quantizer of files that refer to one; see docs/quantization.md. Default: that of the output they lie in. */
  readonly quantizer?: string | undefined;
}

const FOLDER = 'sphere';
/** Coordinates in one file at most: it is put together in memory. */
const PIECE_BYTES = 64 << 20;

/** Rows [from, to) of a file that are written as files of their own. */
interface Piece {
  readonly file: number;
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** Its first row among all patches that radii were allocated over. */
  readonly row: number;
}

/**
 * A pipeline that gives every patch of an output, or of files of any layout with embeddings and prominence, its place on
 * concentric spheres: `sphere/sphere_<name>.npz` (and `.safetensors`) for each file, as docs/export.md says.
 * Radii take 24 bytes a patch in memory while they are found; embeddings are streamed, 64 MiB at a time.
 *
 * @throws PipelineError `BAD_OPTION`, `MIXED_DIMS`; SourceError what the input cannot be listed for
 */
export async function allocatePipeline(inputs: readonly string[], options: AllocateRun = {}): Promise<Pipeline> {
  const { scope = 'all', formats = ['npz'], dir, specialTokens, quantizer, ...rest } = options;
  const tables = { inputs, dir, specialTokens, quantizer };
  const settings = allocateSettings(rest);
  const files = await listTables(tables, {
    splitBytes: 1,
    reject(error) {
      throw error;
    },
  });
  const dim = files[0]?.dim ?? 0;
  const other = files.find((file) => file.dim !== dim);
  if (other !== undefined && scope === 'all') {
    throw new PipelineError(`'${other.path}' has embeddings of ${other.dim} numbers, after ${dim}`, {
      code: 'MIXED_DIMS',
      path: other.path,
      hint: 'allocate over each file by itself: --per-file',
    });
  }
  const pieces = piecesOf(files, scope);
  const stages = [
    weighStage(files, scope, settings),
    placeStage(pieces, scope, formats),
    indexStage(files, pieces, scope, settings, formats),
  ];
  const patches = files.reduce((sum, file) => sum + file.patches, 0);
  const decisive = { ...settings, scope, formats, files: files.length, patches, dim };
  return definePipeline('allocate', tableFiles(tables)).to(counting('sphere', decisive, stages));
}

function piecesOf(files: readonly TableFile[], scope: 'all' | 'file'): Piece[] {
  let row = 0;
  return files.flatMap(({ name, patches, dim }, file) => {
    const most = Math.max(1, Math.floor(PIECE_BYTES / (4 * Math.max(1, dim))));
    const count = Math.max(1, Math.ceil(patches / most));
    const first = scope === 'all' ? row : 0;
    row += patches;
    return Array.from({ length: count }, (_, i) => {
      const from = i * most;
      const part = count === 1 ? '' : `_${i}`;
      return { file, name: `sphere_${name}${part}`, from, to: Math.min(patches, from + most), row: first + from };
    });
  });
}

const taskName = (number: number): string => String(number).padStart(6, '0');

/** Radii, shells and axes, for the stage behind this one alone. */
function weighStage(files: readonly TableFile[], scope: 'all' | 'file', settings: AllocateSettings): JobStage {
  const groups = scope === 'all' ? [files] : files.map((file) => [file]);
  const holdsOf = (group: readonly TableFile[]): number =>
    WEIGH_BYTES * group.reduce((sum, { patches }) => sum + patches, 0) + sampleHolds(group[0]?.dim ?? 0);
  return {
    name: `${FOLDER}/weigh`,
    holds: groups.reduce((most, group) => Math.max(most, holdsOf(group)), 16 << 20),
    tasks: async () => groups.map((_, i) => taskName(i)),
    async run(context) {
      const planned = filesOf(context.splits);
      const group = scope === 'all' ? planned : planned.slice(Number(context.task), Number(context.task) + 1);
      const { radii, shells, axes } = await weighed(group, settings, context.signal);
      const file = await context.file(`${FOLDER}/weigh-${context.task}.bin`);
      const parts = [axes.mean, ...axes.axes, radii, shells].map(littleEndianBytes);
      for (const part of parts) await file.write(part);
      await file.publish({ temporary: true });
      return { patches: radii.length };
    },
  };
}

/** Reads what `weighStage` has written, for some rows of so many. */
async function readWeighed(context: TaskContext, piece: Piece, patches: number, dim: number, scope: 'all' | 'file') {
  const task = taskName(scope === 'all' ? 0 : piece.file);
  const file = await openByteFile(`${context.root}/${FOLDER}/weigh-${task}.bin`);
  try {
    const count = piece.to - piece.from;
    const doubles = async (index: number): Promise<Float64Array> => {
      const bytes = await file.read(8 * dim * index, 8 * dim * (index + 1));
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      return Float64Array.from({ length: dim }, (_, i) => view.getFloat64(8 * i, true));
    };
    const head = 8 * dim * 4;
    const shellsAt = head + 4 * patches + 2 * piece.row;
    const radii = float32From(await file.read(head + 4 * piece.row, head + 4 * (piece.row + count)));
    const packed = await file.read(shellsAt, shellsAt + 2 * count);
    const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    const shells = Uint16Array.from({ length: count }, (_, i) => view.getUint16(2 * i, true));
    const axes: Axes = { dim, mean: await doubles(0), axes: [await doubles(1), await doubles(2), await doubles(3)] };
    return { radii, shells, axes };
  } finally {
    await file.close();
  }
}

function placeStage(
  pieces: readonly Piece[],
  scope: 'all' | 'file',
  formats: readonly ('npz' | 'safetensors')[],
): JobStage {
  return {
    name: `${FOLDER}/place`,
    // rows, coordinates, and a copy of the greatest member of an archive
    holds: 4 * PIECE_BYTES,
    files: pieces.flatMap(({ name }) => formats.map((format) => `${FOLDER}/${name}.${format}`)),
    tasks: async () => pieces.map((_, i) => taskName(i)),
    async run(context) {
      const files = filesOf(context.splits);
      const piece = pieces[Number(context.task)];
      const file = files[piece?.file ?? -1];
      if (piece === undefined || file === undefined)
        throw new SluiceError(`there is no piece ${context.task}`, { code: 'BAD_PLAN', hint: 'run with --fresh' });
      const patches = scope === 'all' ? files.reduce((sum, one) => sum + one.patches, 0) : file.patches;
      const { radii, shells, axes } = await readWeighed(context, piece, patches, file.dim, scope);
      const rows = await placedRows(file, piece.from, piece.to, radii, shells, axes);
      context.signal.throwIfAborted();
      const count = radii.length;
      for (const format of formats) {
        const target = await context.file(`${FOLDER}/${piece.name}.${format}`);
        const isNpz = format === 'npz';
        if (isNpz) await writeSphereNpz(target, rows);
        else await writeSphereTensors(target, rows, { embed_dim: String(file.dim), num_patches: String(count) });
        await target.publish({ format: isNpz ? SPHERE_NPZ_FORMAT : SPHERE_FORMAT, patches: count, dim: file.dim });
      }
      return { patches: count, undirected: rows.undirected };
    },
  };
}

/** `sphere/sphere.json`: what was allocated how, and where it lies. */
function indexStage(
  files: readonly TableFile[],
  pieces: readonly Piece[],
  scope: 'all' | 'file',
  settings: AllocateSettings,
  formats: readonly string[],
): JobStage {
  const path = `${FOLDER}/sphere.json`;
  return {
    name: `${FOLDER}/index`,
    holds: 1 << 20,
    files: [path],
    tasks: async () => ['0'],
    async run(context) {
      const placed = context.commitsOf(`${FOLDER}/place`);
      const undirected = placed.reduce((sum, { counts }) => sum + (counts['undirected'] ?? 0), 0);
      const patches = files.reduce((sum, file) => sum + file.patches, 0);
      const index: JsonValue = {
        format: SPHERE_INDEX_FORMAT,
        settings,
        scope,
        patches,
        undirected,
        files: pieces.map(({ name, file, from, to }) => ({
          files: formats.map((format) => `${name}.${format}`),
          of: files[file]?.name ?? '',
          from,
          to,
        })),
      };
      const target = await context.file(path);
      await target.write(Buffer.from(`${canonicalJson(index, 1)}\n`));
      await target.publish({ format: SPHERE_INDEX_FORMAT, patches });
      return { patches, undirected };
    },
  };
}
