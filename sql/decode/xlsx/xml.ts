/** XML read in pieces, as spreadsheets use it: tags, attributes, texts; no document types. */

import { own } from "../../../core/base/json.ts";
import { Unreadable } from "../unreadable.ts";

export interface XmlHandler {
  /** `attributes` is the text behind the name; `attributesOf` reads it. Prefixes of names are taken off. */
  open(name: string, attributes: string): void;
  text(text: string): void;
  close(name: string): void;
}

const SPACE = 32;
const BANG = 33;
const SLASH = 47;
const EQUALS = 61;
const QUESTION = 63;
/** Characters of one tag or text: a cell holds at most 32,767. */
const PENDING_CHARS_MAX = 4 * 1024 * 1024;
const ATTRIBUTE = /([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const ENTITY = /&(#x[0-9a-fA-F]+|#[0-9]+|[A-Za-z0-9]+);?/g;
const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};

export class XmlReader {
  #handler: XmlHandler;
  #pending = "";
  #open: string[] = [];

  constructor(handler: XmlHandler) {
    this.#handler = handler;
  }

  /** Throws Unreadable for what is no XML. */
  feed(chunk: string): void {
    const text = this.#pending + chunk;
    let at = 0;
    for (;;) {
      const next = this.#take(text, at);
      if (next < 0) break;
      at = next;
    }
    this.#pending = text.slice(at);
    if (this.#pending.length > PENDING_CHARS_MAX) {
      throw new Unreadable("limit", "a tag or text of the sheet is too long");
    }
  }

  end(): void {
    if (this.#pending.trim() !== "" || this.#open.length > 0) throw fault("it ends early");
  }

  /** Handles one text or tag at a place; the place behind it, or -1 when it is not there whole. */
  #take(text: string, at: number): number {
    const start = text.indexOf("<", at);
    if (start < 0) return -1;
    if (start > at) {
      if (this.#open.length > 0) this.#handler.text(plainText(text.slice(at, start)));
      return start;
    }
    const second = text.charCodeAt(at + 1);
    if (second === BANG || second === QUESTION) return this.#takeOther(text, at);
    const end = tagEnd(text, at + 1);
    if (end < 0) return -1;
    this.#tag(text, at + 1, end);
    return end + 1;
  }

  /** What is no tag: a comment, an instruction, a text as it stands. */
  #takeOther(text: string, at: number): number {
    if (text.startsWith("<!--", at)) return behind(text, "-->", at + 4);
    if (text.startsWith("<?", at)) return behind(text, "?>", at + 2);
    if (text.startsWith("<![CDATA[", at)) {
      const end = behind(text, "]]>", at + 9);
      if (end >= 0) this.#handler.text(lineEnds(text.slice(at + 9, end - 3)));
      return end;
    }
    if (text.startsWith("<!", at) && text.length > at + 9) throw fault("it has a document type");
    return -1;
  }

  #tag(text: string, start: number, end: number): void {
    if (text.charCodeAt(start) === SLASH) {
      const name = localName(text.slice(start + 1, end).trim());
      if (this.#open.pop() !== name) throw fault(`</${name}> closes nothing`);
      this.#handler.close(name);
      return;
    }
    const isEmpty = end > start && text.charCodeAt(end - 1) === SLASH;
    const bodyEnd = isEmpty ? end - 1 : end;
    let space = start;
    while (space < bodyEnd && !isSpace(text.charCodeAt(space))) space++;
    const name = localName(text.slice(start, space));
    this.#handler.open(name, text.slice(space, bodyEnd));
    if (isEmpty) this.#handler.close(name);
    else this.#open.push(name);
  }
}

/** Attributes by their name without prefix. */
export function attributesOf(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  if (takePlain(text, found)) return found;
  found.clear();
  for (const [, name = "", double, single] of text.matchAll(ATTRIBUTE)) {
    found.set(localName(name), plainText(double ?? single ?? ""));
  }
  return found;
}

/** Attributes as programs write them, ` name="value"` each; false where one is written otherwise. */
function takePlain(text: string, found: Map<string, string>): boolean {
  let at = 0;
  while (at < text.length) {
    if (text.charCodeAt(at) !== SPACE) return false;
    if (at + 1 === text.length) return true;
    const equals = text.indexOf('="', at + 1);
    const end = equals < 0 ? -1 : text.indexOf('"', equals + 2);
    if (end < 0 || equals === at + 1) return false;
    for (let place = at + 1; place < equals; place++) {
      const code = text.charCodeAt(place);
      if (isSpace(code) || code === EQUALS) return false;
    }
    found.set(localName(text.slice(at + 1, equals)), plainText(text.slice(equals + 2, end)));
    at = end + 1;
  }
  return true;
}

function isSpace(code: number): boolean {
  return (
    code === SPACE ||
    (code >= 9 && code <= 13) ||
    (code > 127 && /\s/.test(String.fromCharCode(code)))
  );
}

function localName(name: string): string {
  return name.includes(":") ? name.slice(name.indexOf(":") + 1) : name;
}

function behind(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at < 0 ? -1 : at + mark.length;
}

/** The `>` that ends a tag: not one in a quoted value. */
function tagEnd(text: string, from: number): number {
  let quote = 0;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (quote !== 0) {
      if (code === quote) quote = 0;
    } else if (code === 34 || code === 39) quote = code;
    else if (code === 62) return at;
  }
  return -1;
}

function plainText(text: string): string {
  const lines = lineEnds(text);
  return lines.includes("&") ? lines.replace(ENTITY, entity) : lines;
}

function lineEnds(text: string): string {
  return text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
}

function entity(whole: string, name: string): string {
  const known = own(ENTITIES, name);
  if (known !== undefined && whole.endsWith(";")) return known;
  const code = name.startsWith("#x") ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
  const isText = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  if (!name.startsWith("#") || !whole.endsWith(";") || !isText) {
    throw fault(`${whole} stands for nothing`);
  }
  return String.fromCodePoint(code);
}

function fault(message: string): Unreadable {
  return new Unreadable("unreadable", `the XML of the spreadsheet is broken: ${message}`);
}
