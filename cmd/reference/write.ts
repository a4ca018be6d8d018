/** `npm run docs`: writes the reference of the guide anew. */

import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { referencePages } from "./pages.ts";

const FOLDER = join(dirname(dirname(import.meta.dir)), "docs/guide/reference");

await mkdir(FOLDER, { recursive: true });
for (const { file, text } of await referencePages()) {
  await writeFile(join(FOLDER, file), text);
  console.log(`docs/guide/reference/${file}`);
}
