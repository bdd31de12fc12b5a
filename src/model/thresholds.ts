import type { Modality } from '../records.ts';

/** Thresholds of modalities that have one of their own, in nats. */
export type ModalityThresholds = Readonly<Partial<Record<Modality, number>>>;

/** What `threshold: 'auto'` stands for, in nats. */
export interface AutoThresholds {
  /** For all that has none of its own; absent where the model was not calibrated. */
  readonly autoThreshold: number | undefined;
  readonly modalityThresholds: ModalityThresholds;
}

/** What `threshold: 'auto'` stands for with segments of a modality. */
export function autoThresholdFor(thresholds: AutoThresholds, modality: Modality): number | undefined {
  return thresholds.modalityThresholds[modality] ?? thresholds.autoThreshold;
}
