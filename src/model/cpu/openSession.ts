import type { ModelFile } from '../modelFile.ts';
import { LayeredSession } from './layeredSession.ts';
import type { SharedLayers } from './layers/sharedLayers.ts';
import { MappedSession } from './mappedSession.ts';
import type { ForwardSession } from './session.ts';

export interface SessionOptions {
  /** Threads within one pass; bits do not depend on them. Default: 1. */
  readonly threads?: number | undefined;
  /** Decoded layers, for weights that are not float32 in their file. */
  readonly layers?: SharedLayers | undefined;
}

/** Opens a model on this thread. Throws ModelError. */
export function openSession(model: ModelFile, options: SessionOptions = {}): Promise<ForwardSession> {
  const { threads = 1, layers } = options;
  return layers === undefined ? MappedSession.open(model, threads) : LayeredSession.open(model, layers, threads);
}
