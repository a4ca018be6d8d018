/** What is wrong with a model whose windows close, before any of its rows is looked at. */

import { LakeError } from "../base/errors.ts";
import { nearestWord, suggestion } from "../base/suggest.ts";
import type { TableName } from "../table/types.ts";
import { lateTable } from "./closing-request.ts";
import { EVERY_INPUT, WINDOW_END } from "./emit.ts";
import type { GraphInput } from "./graph.ts";
import { isInlined, type Model } from "./model.ts";
import { settingPlace } from "./setting-place.ts";
import type { TableNames } from "./table-names.ts";

/** Inputs that are none, a query without ends of windows, or with ends that a row alone does not say. */
export function closingErrors(model: Model, input: GraphInput, names: TableNames): LakeError[] {
  const { closing } = model;
  const analysis = input.analyses.get(model.name);
  if (closing === null || analysis === undefined) return [];
  const place = settingPlace(model, "on_window_close", "emit");
  const wrong = (message: string, hint: string): LakeError =>
    new LakeError("config", message, { hint, place, page: "T0108" });
  const errors = inputErrors(model, input, names);
  const late = lateTable(model.name);
  if (input.models.some(({ name }) => name === late) || input.sources.has(late)) {
    const message = `rows that are too late for ${model.name} go to ${late}, which is another table`;
    errors.push(wrong(message, "give one of the two another name"));
  }
  const outputs = analysis.outputs.map((name) => name.toLowerCase());
  if (!outputs.includes(WINDOW_END)) {
    const near = nearestWord(WINDOW_END, analysis.outputs);
    const hint =
      near === null
        ? "select window_end of TUMBLE, HOP or CUMULATE by its name, not by *, and group by it"
        : `is it "${near}"? write ${near} AS ${WINDOW_END}`;
    errors.push(
      wrong(
        `${model.name} does not name window_end, by which windows close, among its columns`,
        hint,
      ),
    );
    return errors;
  }
  if (analysis.followed.some(({ keys }) => keys.includes(WINDOW_END))) return errors;
  const [blocked] = analysis.followed.flatMap(({ blocked: why, name }) =>
    why === null ? [] : [`${why} (${name})`],
  );
  const why = blocked ?? "as that of SESSION, which later rows move";
  const message = `window_end of ${model.name} does not follow from a row: ${why}`;
  errors.push(wrong(message, "close windows of TUMBLE, HOP or CUMULATE; others emit on_update"));
  return errors;
}

/** Watermarks of tables that the query does not read, or that are none. */
function inputErrors(model: Model, input: GraphInput, names: TableNames): LakeError[] {
  const refs = input.analyses.get(model.name)?.tables ?? [];
  const read = refs.flatMap((ref) => {
    const found = names.lookUp(ref.name, ref.isOneWord);
    return found.kind === "table" ? [found.name] : [];
  });
  const isView = (name: TableName): boolean =>
    input.models.some((one) => one.name === name && isInlined(one.kind));
  return [...(model.closing?.watermarks.keys() ?? [])].flatMap((name) => {
    const [first] = read;
    if (name === EVERY_INPUT) {
      return first !== undefined && read.every(isView)
        ? [viewError(model, first, "watermark")]
        : [];
    }
    const found = names.lookUp(name);
    if (found.kind === "table" && read.includes(found.name)) {
      return isView(found.name) ? [viewError(model, found.name, name)] : [];
    }
    return [
      new LakeError("config", `a watermark is of "${name}", which ${model.name} does not read`, {
        hint: suggestion(name, read, "inputs"),
        place: settingPlace(model, name, "watermark"),
        page: "T0108",
      }),
    ];
  });
}

/** Rows of a view do not say when they came. */
function viewError(model: Model, view: TableName, word: string): LakeError {
  const message = `the watermark of ${model.name} is of ${view}, which has no rows of its own`;
  return new LakeError("config", message, {
    hint: "give it a kind with a table, such as full or append, or write its query into this model",
    place: settingPlace(model, word, "watermark"),
    page: "T0108",
  });
}
