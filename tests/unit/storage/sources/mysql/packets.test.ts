/** Packets of a connection, however its bytes come. */

import { expect, test } from "bun:test";
import { Socket } from "node:net";
import { PacketSocket } from "../../../../../storage/sources/mysql/packets.ts";

const LENGTH_MAX = 0xff_ffff;

function packet(sequence: number, payload: Uint8Array): Buffer {
  const head = Buffer.from([0, 0, 0, sequence]);
  head.writeUIntLE(payload.length, 0, 3);
  return Buffer.concat([head, payload]);
}

/** What is found of bytes that come in pieces of such lengths, in turn. */
function found(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const socket = new Socket();
  const packets = new PacketSocket(socket, () => 0);
  const all: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const end = at + (lengths[turn % lengths.length] ?? 1);
    socket.emit("data", bytes.subarray(at, end));
    at = end;
    // Several pieces may have come before anybody looks.
    if (turn % 3 === 1) continue;
    while (packets.next())
      all.push(Buffer.from(packets.bytes.subarray(packets.start, packets.end)));
  }
  while (packets.next()) all.push(Buffer.from(packets.bytes.subarray(packets.start, packets.end)));
  packets.destroy();
  return all;
}

const SMALL = Array.from({ length: 60 }, (_, at) => Buffer.alloc((at * 7) % 41, at + 1));

test.each([
  ["one byte after the other", [1]],
  ["two of them in the head of one", [2, 3]],
  ["pieces that end anywhere", [5, 1, 64, 3, 17, 200, 2]],
  ["all at once", [10_000]],
])("packets are whole where they come as %s", (_, lengths) => {
  const bytes = Buffer.concat(SMALL.map((payload, at) => packet(at % 256, payload)));
  expect(found(bytes, lengths)).toEqual(SMALL);
});

test("a payload of several packets is one, with small ones before and behind it", () => {
  const large = Buffer.alloc(2 * LENGTH_MAX + 5, "large");
  const parts = [0, LENGTH_MAX, 2 * LENGTH_MAX].map((at, index) =>
    packet(index, large.subarray(at, at + LENGTH_MAX)),
  );
  const [first = Buffer.alloc(0), last = first] = SMALL;
  const bytes = Buffer.concat([packet(0, first), ...parts, packet(0, last)]);
  const payloads = found(bytes, [65_536, 1, 3, 524_288]);
  expect(payloads.map((payload) => payload.length)).toEqual([
    first.length,
    large.length,
    last.length,
  ]);
  expect(payloads[1]?.equals(large)).toBe(true);
});
