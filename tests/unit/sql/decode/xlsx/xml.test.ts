/** XML in pieces: attributes as programs write them, and as they may be written. */

import { expect, test } from "bun:test";
import { attributesOf, XmlReader } from "../../../../../sql/decode/xlsx/xml.ts";

const CASES: [string, [string, string][]][] = [
  ["", []],
  [" ", []],
  [
    ' r="A1" s="1"',
    [
      ["r", "A1"],
      ["s", "1"],
    ],
  ],
  [' r="A1" ', [["r", "A1"]]],
  [
    "\tr = 'A1'\n t='x'",
    [
      ["r", "A1"],
      ["t", "x"],
    ],
  ],
  [
    ` a:note='a="b"' r="A3"  t="n"`,
    [
      ["note", 'a="b"'],
      ["r", "A3"],
      ["t", "n"],
    ],
  ],
  [
    ` x="r='Z1'" r="B3"`,
    [
      ["x", "r='Z1'"],
      ["r", "B3"],
    ],
  ],
  [
    ' r="A4"t="n"',
    [
      ["r", "A4"],
      ["t", "n"],
    ],
  ],
  [
    ' v="1 &lt; 2" w="a&#10;b"',
    [
      ["v", "1 < 2"],
      ["w", "a\nb"],
    ],
  ],
  [' plain r="A5"', [["r", "A5"]]],
];

test.each(CASES)("attributes of %j", (text, expected) => {
  expect([...attributesOf(text)]).toEqual(expected);
});

test("tags cut anywhere are read once they are whole", () => {
  const text = `<?xml version="1.0"?><a x="1>0" ><!-- <b> --><b/>t&amp;<![CDATA[<&>]]></a >`;
  const whole = eventsOf([text]);
  expect(whole).toEqual([
    'open a  x="1>0" ',
    "open b ",
    "close b",
    "text t&",
    "text <&>",
    "close a",
  ]);
  for (let at = 1; at < text.length; at++) {
    const cut = eventsOf([text.slice(0, at), text.slice(at)]);
    expect(cut.filter((event) => !event.startsWith("text"))).toEqual(
      whole.filter((event) => !event.startsWith("text")),
    );
  }
});

test("a document type and a tag that closes nothing are refused", () => {
  expect(() => eventsOf(["<!DOCTYPE a []><a/>"])).toThrow("a document type");
  expect(() => eventsOf(["<a></b>"])).toThrow("closes nothing");
  expect(() => eventsOf(["<a>"])).toThrow("ends early");
});

function eventsOf(chunks: readonly string[]): string[] {
  const events: string[] = [];
  const reader = new XmlReader({
    open: (name, attributes) => void events.push(`open ${name} ${attributes}`),
    text: (text) => void events.push(`text ${text}`),
    close: (name) => void events.push(`close ${name}`),
  });
  for (const chunk of chunks) reader.feed(chunk);
  reader.end();
  return events;
}
