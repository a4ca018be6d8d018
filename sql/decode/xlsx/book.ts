/** What the cells of a spreadsheet refer to: its sheets, shared texts, number formats and epoch. */

import { must } from "../../../core/base/assert.ts";
import { SHEET_TEXT_CHARS_MAX } from "../../../core/limits.ts";
import { Unreadable } from "../unreadable.ts";
import { builtInKind, formatKind, type NumberKind } from "./format.ts";
import { XlsxParts } from "./parts.ts";
import { attributesOf, type XmlHandler } from "./xml.ts";

export interface XlsxBook {
  readonly parts: XlsxParts;
  /** Name of the part that holds the sheet. */
  readonly sheetPart: string;
  readonly sheetName: string;
  /** The other worksheets, by name and part. */
  readonly others: readonly { readonly name: string; readonly part: string }[];
  readonly texts: readonly string[];
  /** By the style of a cell. */
  readonly kinds: readonly NumberKind[];
  /** Days count from 1904-01-01. */
  readonly epoch1904: boolean;
}

interface Sheet {
  readonly name: string;
  readonly relation: string;
  readonly hidden: boolean;
}

interface Relation {
  readonly type: string;
  readonly target: string;
}

/** Opens one sheet: the named one, or the first worksheet that is not hidden. Throws Unreadable. */
export async function openBook(path: string, wanted: string | null): Promise<XlsxBook> {
  const book = await openWorkbook(path);
  return await book.open(chooseSheet(book.worksheets, wanted));
}

/**
 * Opens each sheet that one of the names or patterns (`*`, `?`, which no sheet is called) is about, in the order of
 * the book; of hidden ones those that are named. Throws Unreadable where it is none.
 */
export async function openSheets(path: string, names: readonly string[]): Promise<XlsxBook[]> {
  const book = await openWorkbook(path);
  const chosen = book.worksheets.filter((sheet) => names.some((name) => isMeant(sheet, name)));
  if (chosen.length === 0) throw new Unreadable("unreadable", noSheet(book.worksheets, names));
  const first = await book.open(must(chosen[0], "one is chosen"));
  const others = book.worksheets.filter((sheet) => !chosen.includes(sheet));
  const unread = others.map(({ name, relation }) => ({ name, part: book.partOf(relation) }));
  return chosen.map(({ name, relation }) => ({
    ...first,
    sheetName: name,
    sheetPart: book.partOf(relation),
    others: unread,
  }));
}

async function openWorkbook(path: string) {
  const parts = new XlsxParts(path);
  const root = await readRelations(parts, "_rels/.rels", "");
  const main = [...root.values()].find(({ type }) => type.endsWith("/officeDocument"));
  const bookPart = main?.target ?? "xl/workbook.xml";
  if (/\.bin$/i.test(bookPart)) {
    throw new Unreadable("unreadable", "a binary spreadsheet (.xlsb): save it as .xlsx");
  }
  const folder = bookPart.slice(0, bookPart.lastIndexOf("/") + 1);
  const relationsPart = `${folder}_rels/${bookPart.slice(folder.length)}.rels`;
  const relations = await readRelations(parts, relationsPart, folder);
  const { sheets, epoch1904 } = await readWorkbook(parts, bookPart);
  const worksheets = sheets.filter(({ relation }) =>
    relations.get(relation)?.type.endsWith("/worksheet"),
  );
  const partOf = (relation: string): string => relations.get(relation)?.target ?? "";
  const ofKind = (kind: string) =>
    [...relations.values()].find(({ type }) => type.endsWith(`/${kind}`))?.target ?? null;
  const open = async (sheet: Sheet): Promise<XlsxBook> => {
    const [texts, styles] = [ofKind("sharedStrings"), ofKind("styles")];
    return {
      parts,
      sheetPart: partOf(sheet.relation),
      sheetName: sheet.name,
      others: worksheets
        .filter((other) => other !== sheet)
        .map(({ name, relation }) => ({ name, part: partOf(relation) })),
      texts: texts === null ? [] : await readTexts(parts, texts),
      kinds: styles === null ? [] : await readKinds(parts, styles),
      epoch1904,
    };
  };
  return { worksheets, partOf, open };
}

/** `_x000D_` is the character of that code. ECMA-376, 22.9.2.19 (ST_Xstring). */
export function unescaped(text: string): string {
  if (!text.includes("_x")) return text;
  return text.replace(/_x([0-9a-fA-F]{4})_/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
}

/** Collects the text of a shared or inline text: its runs, without the reading aids above them. */
export class TextRuns {
  #text = "";
  #isOpen = false;
  #aside = 0;

  start(): void {
    this.#text = "";
    this.#isOpen = false;
    this.#aside = 0;
  }

  open(name: string): void {
    if (name === "rPh") this.#aside++;
    if (name === "t") this.#isOpen = this.#aside === 0;
  }

  text(text: string): void {
    if (this.#isOpen) this.#text += text;
  }

  close(name: string): void {
    if (name === "rPh") this.#aside--;
    if (name === "t") this.#isOpen = false;
  }

  get value(): string {
    return unescaped(this.#text);
  }
}

function chooseSheet(sheets: readonly Sheet[], wanted: string | null): Sheet {
  const folded = wanted?.toLowerCase();
  const found =
    wanted === null
      ? (sheets.find((sheet) => !sheet.hidden) ?? sheets[0])
      : (sheets.find(({ name }) => name === wanted) ??
        sheets.find(({ name }) => name.toLowerCase() === folded));
  if (found !== undefined) return found;
  throw new Unreadable("unreadable", noSheet(sheets, wanted === null ? [] : [wanted]));
}

function noSheet(sheets: readonly Sheet[], wanted: readonly string[]): string {
  if (wanted.length === 0 || sheets.length === 0) return "the spreadsheet has no sheet with cells";
  const quoted = (names: readonly string[]) => names.map((name) => JSON.stringify(name)).join(", ");
  const own = quoted(sheets.map(({ name }) => name));
  return `the spreadsheet has no sheet ${quoted(wanted)}; its sheets: ${own}`;
}

/** As Excel has it, whatever the case. */
function isMeant({ name, hidden }: Sheet, wanted: string): boolean {
  const folded = wanted.toLowerCase();
  if (!isPattern(wanted)) return name.toLowerCase() === folded;
  if (hidden) return false;
  const escaped = folded.replaceAll(/[.+^${}()|[\]\\]/g, "\\$&");
  const pattern = escaped.replaceAll("*", ".*").replaceAll("?", ".");
  return new RegExp(`^${pattern}$`, "su").test(name.toLowerCase());
}

/** No sheet has these in its name. */
export function isPattern(name: string): boolean {
  return /[*?]/.test(name);
}

async function readRelations(
  parts: XlsxParts,
  part: string,
  folder: string,
): Promise<ReadonlyMap<string, Relation>> {
  const relations = new Map<string, Relation>();
  if (!parts.has(part)) return relations;
  await parts.parse(part, {
    ...IGNORE,
    open: (name, attributes) => {
      if (name !== "Relationship") return;
      const given = attributesOf(attributes);
      const target = given.get("Target") ?? "";
      const path = target.startsWith("/") ? target.slice(1) : normal(`${folder}${target}`);
      relations.set(given.get("Id") ?? "", { type: given.get("Type") ?? "", target: path });
    },
  });
  return relations;
}

const IGNORE: XmlHandler = { open: () => {}, text: () => {}, close: () => {} };

function normal(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/");
}

async function readWorkbook(parts: XlsxParts, part: string) {
  const sheets: Sheet[] = [];
  let epoch1904 = false;
  await parts.parse(part, {
    ...IGNORE,
    open: (name, attributes) => {
      if (name !== "sheet" && name !== "workbookPr") return;
      const given = attributesOf(attributes);
      if (name === "workbookPr") {
        epoch1904 = ["1", "true", "on"].includes(given.get("date1904") ?? "");
        return;
      }
      const hidden = (given.get("state") ?? "visible") !== "visible";
      sheets.push({ name: given.get("name") ?? "", relation: given.get("id") ?? "", hidden });
    },
  });
  return { sheets, epoch1904 };
}

async function readTexts(parts: XlsxParts, part: string): Promise<string[]> {
  const texts: string[] = [];
  const runs = new TextRuns();
  let chars = 0;
  await parts.parse(part, {
    open: (name) => {
      if (name === "si") runs.start();
      else runs.open(name);
    },
    text: (text) => runs.text(text),
    close: (name) => {
      runs.close(name);
      if (name !== "si") return;
      texts.push(runs.value);
      // Each text takes memory of its own, however short.
      chars += runs.value.length + 16;
      if (chars > SHEET_TEXT_CHARS_MAX) {
        const limit = `the spreadsheet's texts are longer than ${SHEET_TEXT_CHARS_MAX} characters`;
        throw new Unreadable("limit", limit);
      }
    },
  });
  return texts;
}

async function readKinds(parts: XlsxParts, part: string): Promise<NumberKind[]> {
  const kindById = new Map<number, NumberKind>();
  const ids: number[] = [];
  let inCells = false;
  await parts.parse(part, {
    text: () => {},
    open: (name, attributes) => {
      if (name === "cellXfs") inCells = true;
      if (name !== "numFmt" && !(name === "xf" && inCells)) return;
      const given = attributesOf(attributes);
      const id = Number(given.get("numFmtId") ?? "0");
      if (name === "xf") ids.push(id);
      else kindById.set(id, formatKind(given.get("formatCode") ?? ""));
    },
    close: (name) => {
      if (name === "cellXfs") inCells = false;
    },
  });
  return ids.map((id) => kindById.get(id) ?? builtInKind(id));
}
