/** Looking up a name that somebody else chose. */

/** The value under a name; undefined for names such as `constructor` that every object inherits. */
export function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
