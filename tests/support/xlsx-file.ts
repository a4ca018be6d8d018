/** Writes XLSX files as spreadsheet programs do, from the XML of their rows. */

import { crc32, deflateRawSync } from "node:zlib";

export interface XlsxOptions {
  /** Name of each sheet and the XML of its `<row>` elements; hidden ones begin with a dot. */
  readonly sheets: Readonly<Record<string, string>>;
  readonly texts?: readonly string[];
  /** Format codes of the styles 1, 2, …; a number is a built-in format. Style 0 is General. */
  readonly formats?: readonly (string | number)[];
  readonly epoch1904?: boolean;
  /** XML behind the rows of every sheet. */
  readonly tail?: string;
  /** Parts in place of those made here; null: left out. */
  readonly parts?: Readonly<Record<string, string | null>>;
}

const MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships";
const HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n';
const CUSTOM_FORMATS_FROM = 164;

export function xlsxFile(options: XlsxOptions): Buffer {
  const names = Object.keys(options.sheets);
  const sheets = names.map((name, index) => {
    const state = name.startsWith(".") ? ' state="hidden"' : "";
    return `<sheet name="${name}" sheetId="${index + 1}"${state} r:id="rId${index + 1}"/>`;
  });
  const relations = names.map((_, index) =>
    relation(`rId${index + 1}`, "worksheet", `worksheets/sheet${index + 1}.xml`),
  );
  relations.push(relation("rIdT", "sharedStrings", "sharedStrings.xml"));
  relations.push(relation("rIdS", "styles", "/xl/styles.xml"));
  const epoch = options.epoch1904 === true ? '<workbookPr date1904="1"/>' : "<workbookPr/>";
  const parts: Record<string, string | null> = {
    "[Content_Types].xml": `${HEAD}<Types/>`,
    "_rels/.rels": relationsXml([relation("rId1", "officeDocument", "xl/workbook.xml")]),
    "xl/workbook.xml": bookXml(`${epoch}<sheets>${sheets.join("")}</sheets>`),
    "xl/_rels/workbook.xml.rels": relationsXml(relations),
    "xl/sharedStrings.xml": textsXml(options.texts ?? []),
    "xl/styles.xml": stylesXml(options.formats ?? []),
  };
  for (const [index, rows] of Object.values(options.sheets).entries()) {
    const body = `<sheetData>${rows}</sheetData>${options.tail ?? ""}`;
    parts[`xl/worksheets/sheet${index + 1}.xml`] =
      `${HEAD}<worksheet xmlns="${MAIN}"><dimension ref="A1"/>${body}</worksheet>`;
  }
  const all = Object.entries({ ...parts, ...options.parts });
  return zipFile(all.flatMap(([name, text]) => (text === null ? [] : [[name, text] as const])));
}

/** A row of cells given as XML; `cell` makes them. */
export function row(number: number, ...cells: readonly string[]): string {
  return `<row r="${number}" spans="1:9">${cells.join("")}</row>`;
}

/** An inline text, a number, a boolean, or the given attributes and content. */
export function cell(reference: string, value: string | number | boolean, style = 0): string {
  const at = `r="${reference}"${style === 0 ? "" : ` s="${style}"`}`;
  if (typeof value === "number") return `<c ${at}><v>${value}</v></c>`;
  if (typeof value === "boolean") return `<c ${at} t="b"><v>${value ? 1 : 0}</v></c>`;
  return `<c ${at} t="inlineStr"><is><t>${value}</t></is></c>`;
}

/** A cell of a type with the text of its value. */
export function raw(reference: string, type: string, value: string, style = 0): string {
  return `<c r="${reference}" s="${style}" t="${type}"><v>${value}</v></c>`;
}

/** A zip of deflated texts. APPNOTE 4.3. */
export function zipFile(
  files: readonly (readonly [name: string, text: string | Uint8Array])[],
): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, text] of files) {
    const plain = Buffer.from(text as string); // parse: a text or bytes, both are taken
    const packed = deflateRawSync(plain);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(8, 4);
    shared.writeUInt32LE(crc32(plain), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(plain.length, 18);
    shared.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from("PK\u0003\u0004"), shared, Buffer.from(name), packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(at, 10);
    const made = Buffer.from("PK\u0001\u0002\u0014\u0000");
    directory.push(Buffer.concat([made, shared, rest, Buffer.from(name)]));
    bodies.push(local);
    at += local.length;
  }
  const end = Buffer.alloc(18);
  const index = Buffer.concat(directory);
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(index.length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...bodies, index, Buffer.from("PK\u0005\u0006"), end]);
}

function bookXml(content: string): string {
  return `${HEAD}<workbook xmlns="${MAIN}" xmlns:r="${DOCUMENT}">${content}</workbook>`;
}

function textsXml(texts: readonly string[]): string {
  const items = texts.map((text) => `<si>${text}</si>`);
  return `${HEAD}<sst xmlns="${MAIN}">${items.join("")}</sst>`;
}

function relation(id: string, kind: string, target: string): string {
  return `<Relationship Id="${id}" Type="${DOCUMENT}/${kind}" Target="${target}"/>`;
}

function relationsXml(relations: readonly string[]): string {
  return `${HEAD}<Relationships xmlns="${PACKAGE}">${relations.join("")}</Relationships>`;
}

function stylesXml(formats: readonly (string | number)[]): string {
  const custom = formats.flatMap((format, index) => {
    if (typeof format === "number") return [];
    const code = format.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
    return [`<numFmt numFmtId="${CUSTOM_FORMATS_FROM + index}" formatCode="${code}"/>`];
  });
  const ids = formats.map((format, index) =>
    typeof format === "number" ? format : CUSTOM_FORMATS_FROM + index,
  );
  const styles = [0, ...ids].map((id) => `<xf numFmtId="${id}" xfId="0"/>`);
  const lists = [
    `<numFmts>${custom.join("")}</numFmts>`,
    '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>',
    `<cellXfs>${styles.join("")}</cellXfs>`,
  ];
  return `${HEAD}<styleSheet xmlns="${MAIN}">${lists.join("")}</styleSheet>`;
}
