/** What a power cut leaves of bytes that were not synced, chosen by a seed. */

const SECTOR_BYTES = 512;

/** Some crashes lose all that may be lost, some nothing, most a part. */
export function keptShare(chance: () => number): number {
  return [0, 1, 0.5, 0.5][Math.floor(chance() * 4)] ?? 0;
}

/** Each unsynced sector is kept or lost; the length may be ahead of the data, which then reads as zeros. */
export function torn(synced: Uint8Array, seen: Uint8Array, chance: () => number): Uint8Array {
  const longest = Math.max(synced.length, seen.length);
  const shortest = Math.min(synced.length, seen.length);
  const length = [shortest, longest, shortest + Math.floor(chance() * (longest - shortest + 1))][
    Math.floor(chance() * 3)
  ];
  const bytes = new Uint8Array(length ?? longest);
  bytes.set(synced.subarray(0, bytes.length));
  const kept = keptShare(chance);
  for (let start = 0; start < bytes.length; start += SECTOR_BYTES) {
    const end = Math.min(start + SECTOR_BYTES, bytes.length, seen.length);
    if (end > start && chance() < kept) bytes.set(seen.subarray(start, end), start);
  }
  return bytes;
}

/** A small seeded generator (mulberry32): the same seed gives the same crash. */
export function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
