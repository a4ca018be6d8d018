/**
 * Notes of a contract, which are in the words of the Open Data Contract Standard, as keywords of a JSON Schema: what
 * both have a word for stands under that of each, what only one has is kept with the other as it is.
 */

import { isJsonObject, type Json, type JsonObject, own, sameJson } from "../base/json.ts";

/** The keyword that holds what only the Open Data Contract Standard has a word for. */
export const STANDARD_KEYWORD = "x-odcs";
/** The custom property that holds what only JSON Schema has a word for. */
const KEPT = "jsonSchema";

/** Told as keywords; all of them in the standard's words where keywords could not be read back as they are. */
export function keywordsOfNotes(notes: JsonObject): JsonObject {
  if (Object.keys(notes).length === 0) return {};
  const told = toldOf(notes);
  return sameJson(notesOfKeywords(told), notes) ? told : standardAlone(notes);
}

/** Notes that are no keywords: for a type that these would contradict. */
export function standardAlone(notes: JsonObject): JsonObject {
  return Object.keys(notes).length === 0 ? {} : { [STANDARD_KEYWORD]: notes };
}

/** What keywords say that is no type. */
export function notesOfKeywords(keywords: JsonObject): JsonObject {
  const { [STANDARD_KEYWORD]: standard, ...others } = keywords;
  const notes = isJsonObject(standard) ? standard : {};
  const { logicalTypeOptions, customProperties } = notes;
  const all = Object.entries(others);
  const texts = all.filter(([word, value]) => isText(word, value));
  const options = all.filter(([word, value]) => isOption(word, value));
  const kept = all.filter((one) => !texts.includes(one) && !options.includes(one));
  const optionsBefore = isJsonObject(logicalTypeOptions) ? logicalTypeOptions : {};
  const customBefore = Array.isArray(customProperties) ? customProperties : [];
  const custom: Json = { property: KEPT, value: Object.fromEntries(kept) };
  return {
    ...notes,
    ...Object.fromEntries(texts.map(([word, value]) => [own(SAME, word) ?? word, value])),
    ...(options.length === 0
      ? {}
      : { logicalTypeOptions: { ...optionsBefore, ...Object.fromEntries(options) } }),
    ...(kept.length === 0 ? {} : { customProperties: [...customBefore, custom] }),
  };
}

/** Words for the same text. */
const SAME: Readonly<Record<string, string>> = {
  title: "businessName",
  description: "description",
};

/** Keywords that are options of a logical type under the same name and meaning. ODCS v3, "Logical Type Options". */
const OPTIONS: Readonly<Record<string, "string" | "number" | "boolean">> = {
  pattern: "string",
  minLength: "number",
  maxLength: "number",
  minimum: "number",
  maximum: "number",
  multipleOf: "number",
  minItems: "number",
  maxItems: "number",
  uniqueItems: "boolean",
  minProperties: "number",
  maxProperties: "number",
};

function toldOf(notes: JsonObject): JsonObject {
  const { logicalTypeOptions, customProperties, ...others } = notes;
  const texts = Object.entries(SAME).filter(([, word]) => typeof others[word] === "string");
  const words = new Set(texts.map(([, word]) => word));
  const options = isJsonObject(logicalTypeOptions) ? Object.entries(logicalTypeOptions) : [];
  const told = options.filter(([word, value]) => isOption(word, value));
  const customs = Array.isArray(customProperties) ? customProperties : [];
  const last = customs.at(-1);
  const kept = isKept(last) ? last.value : {};
  const standard = {
    ...Object.fromEntries(Object.entries(others).filter(([word]) => !words.has(word))),
    ...(logicalTypeOptions === undefined || (told.length > 0 && told.length === options.length)
      ? {}
      : {
          logicalTypeOptions: isJsonObject(logicalTypeOptions)
            ? Object.fromEntries(options.filter((one) => !told.includes(one)))
            : logicalTypeOptions,
        }),
    ...(customProperties === undefined || (isKept(last) && customs.length === 1)
      ? {}
      : { customProperties: isKept(last) ? customs.slice(0, -1) : customProperties }),
  };
  return {
    ...Object.fromEntries(texts.map(([keyword, word]) => [keyword, others[word] ?? null])),
    ...Object.fromEntries(told),
    ...kept,
    ...standardAlone(standard),
  };
}

function isKept(property: Json | undefined): property is JsonObject & { value: JsonObject } {
  return isJsonObject(property) && property.property === KEPT && isJsonObject(property.value);
}

function isText(word: string, value: Json): boolean {
  return own(SAME, word) !== undefined && typeof value === "string";
}

function isOption(word: string, value: Json | undefined): boolean {
  const wanted = own(OPTIONS, word);
  const kind = typeof value === "bigint" ? "number" : typeof value;
  return wanted !== undefined && wanted === kind;
}
