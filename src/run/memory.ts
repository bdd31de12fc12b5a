import { PipelineError } from '../errors.ts';
import type { Limit } from '../flow/inlet.ts';
import type { StageInfo } from '../flow/monitor.ts';

/** Node, its libraries and the garbage a collector has not come to yet. Measured: see `docs/memory.md`. */
export const BASE_BYTES = 320 << 20;
/** A worker thread with its own heap and the activations of one piece, besides what stages declare. Measured likewise. */
export const WORKER_BYTES = 112 << 20;

export interface MemoryPlan {
  /** Rooms in the order of the stages that were asked about. */
  readonly rooms: readonly { readonly stage: string; readonly room: Limit }[];
  readonly splitsInFlight: number;
  /** Processes that each stage may start at most, where there are any that start some. */
  readonly processes?: number | undefined;
  /** Sum of everything below: what the run may use at most. */
  readonly bound: number;
  readonly parts: readonly { readonly what: string; readonly bytes: number }[];
  /** The pass or stage besides the run proper whose bound this is, where it is more than the sum of the parts. */
  readonly largest?: string | undefined;
}

export interface MemoryRequest {
  readonly stages: readonly StageInfo[];
  /** Bytes that reading one split holds. */
  readonly source: number;
  /** Bytes of splits that are fetched ahead. */
  readonly ahead?: number | undefined;
  /** Bytes the sinks of one split hold. */
  readonly sinks: number;
  readonly workers: number;
  readonly splits: number;
  /** Absent: every stage gets the room it asks for. */
  readonly budget?: number | undefined;
}

/**
 * Divides a memory budget over the stages before anything runs. Rooms are never shared: a shared budget can deadlock,
 * and cuts that depend on it would make the output depend on timing.
 * @throws PipelineError `MEMORY_TOO_SMALL` naming the least that works
 */
export function divideMemory(request: MemoryRequest): MemoryPlan {
  const { stages, budget, ahead = 0 } = request;
  const started = stages.flatMap((stage) => stage.processes ?? []);
  let processes = Math.max(0, ...started.map(({ most }) => most));
  const inProcesses = (): number => sum(started.map(({ most, bytes }) => Math.min(most, processes) * bytes));
  const fixed = (): number => BASE_BYTES + request.workers * WORKER_BYTES + ahead + inProcesses();
  const held = request.source + request.sinks + sum(stages.map((stage) => stage.holds ?? 0));
  const asked = stages.map((stage) => stage.room.bytes ?? 0);
  const least = stages.map((stage, i) =>
    (stage.weight ?? 1) === 0 ? (asked[i] ?? 0) : Math.min(stage.least ?? 0, asked[i] ?? 0),
  );
  const perSplit = (rooms: readonly number[]): number => held + sum(rooms);
  let splits = Math.max(1, request.splits);
  let rooms: readonly number[] = asked;
  if (budget !== undefined) {
    while (processes > 1 && fixed() + splits * perSplit(least) > budget) processes--;
    while (splits > 1 && fixed() + splits * perSplit(least) > budget) splits--;
    const smallest = fixed() + splits * perSplit(least);
    if (smallest > budget) {
      throw new PipelineError(`${megabytes(budget)} of memory is too little for this pipeline`, {
        code: 'MEMORY_TOO_SMALL',
        hint: `give at least --memory ${Math.ceil(smallest / 1e6)}MB${request.workers > 1 ? ', or fewer --workers' : ''}`,
      });
    }
    rooms = shrink(stages, asked, least, (budget - fixed()) / splits - held);
  }
  const parts = [
    { what: 'node, libraries, garbage not yet collected', bytes: BASE_BYTES },
    { what: `${request.workers} worker threads`, bytes: request.workers * WORKER_BYTES },
    ...(processes === 0
      ? []
      : [{ what: `${processes} decoder processes, while there is something to decode`, bytes: inProcesses() }]),
    ...stages.map((stage, i) => ({ what: stage.name, bytes: splits * ((rooms[i] ?? 0) + (stage.holds ?? 0)) })),
    { what: 'source', bytes: splits * request.source },
    ...(ahead === 0 ? [] : [{ what: 'splits fetched ahead', bytes: ahead }]),
    { what: 'sinks', bytes: splits * request.sinks },
  ];
  return {
    rooms: stages.map((stage, i) => ({
      stage: stage.name,
      room: stage.room.bytes === undefined ? stage.room : { ...stage.room, bytes: rooms[i] ?? 0 },
    })),
    splitsInFlight: splits,
    ...(processes === 0 ? {} : { processes }),
    bound: sum(parts.map((part) => part.bytes)),
    parts,
  };
}

/** Gives every room its least, and shares what is left by weight up to what each asked for. */
function shrink(
  stages: readonly StageInfo[],
  asked: readonly number[],
  least: readonly number[],
  total: number,
): number[] {
  const rooms = [...least];
  let left = total - sum(least);
  let open = stages.map((_, i) => i).filter((i) => (rooms[i] ?? 0) < (asked[i] ?? 0));
  while (open.length > 0 && left >= 1) {
    const weights = sum(open.map((i) => stages[i]?.weight ?? 1));
    const share = left / weights;
    for (const i of open) {
      const grant = Math.min(share * (stages[i]?.weight ?? 1), (asked[i] ?? 0) - (rooms[i] ?? 0));
      rooms[i] = (rooms[i] ?? 0) + grant;
      left -= grant;
    }
    open = open.filter((i) => (asked[i] ?? 0) - (rooms[i] ?? 0) >= 1);
  }
  return rooms.map(Math.floor);
}

/** Reads a size such as `4GB`, `512M`, `64MiB` or `1000000`: powers of 1000, with `i` of 1024. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?$/i.exec(text.trim());
  if (match === null) {
    throw new PipelineError(`'${text}' is no size`, { code: 'BAD_SIZE', hint: 'write it like 512MB or 4GB' });
  }
  const power = ['', 'k', 'm', 'g', 't'].indexOf((match[2] ?? '').toLowerCase());
  return Math.floor(Number(match[1]) * (match[3] ? 1024 : 1000) ** power);
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
