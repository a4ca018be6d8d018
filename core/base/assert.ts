/** Assertions: a broken assumption is a bug, never user input, and ends the process. */

export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws when `condition` is false. State what was relied on, not what happened. */
export function assert(condition: boolean, reliedOn: string): asserts condition {
  if (!condition) throw new AssertionError(`assumption broken: ${reliedOn}`);
}

/** The value, or an assertion when it is absent. For indexes that cannot miss. */
export function must<T>(value: T | null | undefined, reliedOn: string): T {
  if (value === null || value === undefined) throw new AssertionError(`missing: ${reliedOn}`);
  return value;
}

/** The end of a `switch` over a union: the compiler proves it is not reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable value ${String(value)}`);
}
