/** Finds or makes the object of this name that every copy of the package in the realm shares. */
export function realmSlot<T extends object>(name: string, empty: T): T {
  const realm = globalThis as unknown as Record<symbol, T | undefined>;
  const key = Symbol.for(name);
  realm[key] ??= empty;
  return realm[key];
}

const slots = realmSlot('sluice.carried.v1', new Set<object>());

/**
 * A realm slot whose fields belong to the flow that is being subscribed: `capture` remembers them, so that flows
 * subscribed later on behalf of the same flow (the next one of `concat`, an inner one of `flatMap`) find them again.
 */
export function carriedSlot<T extends object>(name: string, empty: T): T {
  const slot = realmSlot(name, empty);
  slots.add(slot);
  return slot;
}

/** Remembers the fields of every carried slot; the returned function runs something with those fields in place. */
export function capture(): <T>(run: () => T) => T {
  const saved = snapshot();
  return (run) => {
    const outer = snapshot();
    restore(saved);
    try {
      return run();
    } finally {
      restore(outer);
    }
  };
}

type Snapshot = readonly (readonly [slot: object, fields: object])[];

function snapshot(): Snapshot {
  return Array.from(slots, (slot) => [slot, { ...slot }] as const);
}

function restore(saved: Snapshot): void {
  for (const [slot, fields] of saved) Object.assign(slot, fields);
}
