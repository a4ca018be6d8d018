/** Notices that are not repeated. */

const TOLD_MAX = 100;

/** Says each thing once; after many others it may be said again. */
export function once(notice: (text: string) => void): (text: string) => void {
  const told = new Set<string>();
  return (text) => {
    if (told.has(text)) return;
    if (told.size >= TOLD_MAX) told.clear();
    told.add(text);
    notice(text);
  };
}
