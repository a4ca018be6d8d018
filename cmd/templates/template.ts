/** What a project template is: files with a comment each, as `tarn init` writes them. */

import { stringifyJson } from "../../core/base/json.ts";
import { type SourceKinds, sourceReader } from "../../core/config/sources.ts";
import { NO_CHOICE, variableReader } from "../../core/config/variables.ts";
import { configSchema } from "../../core/config.ts";
import { FORMATS } from "../../sql/decode/formats.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";
import types from "./tarn.d.ts.txt" with { type: "text" };

export interface TemplateFile {
  /** Relative to the project, with `/`; a folder ends in `/`. */
  readonly path: string;
  readonly text: string;
  /** What the listing says about it. */
  readonly comment: string;
  /** Rows to try with, left out by `--no-sample`. */
  readonly isSample?: boolean;
}

export interface Template {
  readonly name: string;
  readonly files: readonly TemplateFile[];
  /** Commands to go on with, without `cd`. */
  readonly next: readonly string[];
}

const GITIGNORE = `# Made by tarn: secrets, the lake and what is made again
.env
.env.local
warehouse/
.tarn/
`;

/** What every project gets beside its template's files: schema and types for editors, and what git leaves out. */
export function commonFiles(kinds: SourceKinds): readonly TemplateFile[] {
  const variables = variableReader(NO_CHOICE, quoteLiteral);
  const schema = configSchema(sourceReader({ formats: FORMATS, kinds }), variables);
  return [
    { path: ".gitignore", text: GITIGNORE, comment: "keeps secrets and the lake out of git" },
    {
      path: ".tarn/schema/tarn.schema.json",
      text: `${stringifyJson(schema, 2)}\n`,
      comment: "lets editors complete and check tarn.yaml",
    },
    {
      path: ".tarn/types/tarn.d.ts",
      text: types,
      comment: 'types of what replay scripts import from "tarn"',
    },
  ];
}
