/** Network addresses in PostgreSQL's binary form as texts. Sources: network.c, inet_net_ntop.c. */

const IPV4 = 2;
const IPV6 = 3;
const HEAD_BYTES = 4;

/** Of `inet` and `cidr`: an address, with its prefix where it is not all of it, or always in a `cidr`. */
export function networkText(bytes: Buffer): string {
  const family = bytes.readUInt8(0);
  const prefix = bytes.readUInt8(1);
  const isCidr = bytes.readUInt8(2) !== 0;
  const length = family === IPV4 ? 4 : 16;
  if ((family !== IPV4 && family !== IPV6) || bytes.length !== HEAD_BYTES + length) {
    throw new RangeError("not a network address");
  }
  const address = bytes.subarray(HEAD_BYTES);
  const text = family === IPV4 ? address.join(".") : ipv6Text(address);
  return isCidr || prefix !== length * 8 ? `${text}/${prefix}` : text;
}

/** The longest run of zeros is left out, an address of IPv4 written as one. */
export function ipv6Text(address: Buffer): string {
  const words = Array.from({ length: 8 }, (_, index) => address.readUInt16BE(2 * index));
  const { start, length } = longestZeros(words);
  const isMapped = start === 0 && (length === 6 || (length === 5 && words[5] === 0xffff));
  const shown = isMapped ? words.slice(0, 6) : words;
  const parts = shown.map((word) => word.toString(16));
  if (isMapped) parts.push(address.subarray(12).join("."));
  if (length < 2) return parts.join(":");
  const end = Math.min(start + length, shown.length);
  return `${parts.slice(0, start).join(":")}::${parts.slice(end).join(":")}`;
}

function longestZeros(words: readonly number[]): { start: number; length: number } {
  let best = { start: -1, length: 0 };
  for (let start = 0; start < words.length; start++) {
    let end = start;
    while (words[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
    start = Math.max(start, end);
  }
  return best;
}
