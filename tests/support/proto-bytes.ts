/** Values in Protobuf made by somebody else's writer. */

import protobuf from "protobufjs";

/** The bytes of one message; whole numbers of 64 bits are given as texts. */
export function protoBytes(text: string, message: string, value: object): Buffer {
  const root = new protobuf.Root();
  const parsed = protobuf.parse(text, root, { keepCase: true });
  for (const path of parsed.imports ?? []) {
    const nested = protobuf.common.get(path)?.nested;
    if (nested !== undefined) root.addJSON(nested);
  }
  const type = root.lookupType(message);
  return Buffer.from(type.encode(type.fromObject(value)).finish());
}

/** What stands before a message: places of messages in each other. Confluent, "Wire format". */
export function protoPath(...places: readonly number[]): Buffer {
  const isFirst = places.length === 1 && places[0] === 0;
  return Buffer.from(isFirst ? [0] : [places.length, ...places].map((place) => place * 2));
}
