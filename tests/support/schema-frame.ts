/** Values as producers with a schema registry write them. */

/** The mark, the number of the schema, then the value. Confluent, "Wire format". */
export function framed(id: number, value: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return Buffer.concat([head, value]);
}
