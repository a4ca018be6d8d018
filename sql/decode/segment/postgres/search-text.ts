/** Text search vectors in PostgreSQL's binary form as texts. Source: tsvector.c. */

/** By the two high bits of a place. */
const WEIGHTS = ["", "C", "B", "A"] as const;
const PLACE_BITS = 14;

/** `'word':1A,3 'other'`. */
export function vectorText(bytes: Buffer): string {
  const count = bytes.readInt32BE(0);
  const words: string[] = [];
  let at = 4;
  for (let index = 0; index < count; index++) {
    const end = bytes.indexOf(0, at);
    if (end < 0) throw new RangeError("the bytes end early");
    const word = bytes.toString("utf8", at, end).replace(/['\\]/g, "$&$&");
    const placeCount = bytes.readUInt16BE(end + 1);
    at = end + 3;
    const places = Array.from({ length: placeCount }, (_, place) => {
      const value = bytes.readUInt16BE(at + 2 * place);
      return `${value % 2 ** PLACE_BITS}${WEIGHTS[value >> PLACE_BITS] ?? ""}`;
    });
    at += 2 * placeCount;
    words.push(`'${word}'${places.length === 0 ? "" : `:${places.join(",")}`}`);
  }
  return words.join(" ");
}
