/** What is made when it is first asked for. */

/** The same answer for all who ask; made once. A module that is imported again costs a turn of the loader each time. */
export function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make();
    return made;
  };
}
