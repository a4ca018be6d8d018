/** A project whose lake cannot be looked at is no project without one; permissions are in tests/permissions.test.ts. */

import { expect, test } from "bun:test";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type OpenMode, openSession } from "../../../cmd/open.ts";
import { tempFolder } from "../../support/temp-folder.ts";

const READING: OpenMode = { engine: null };

async function opened(root: string): Promise<readonly string[]> {
  await using session = await openSession({ folder: root, args: {} }, READING);
  return (await session.catalog.tables()).map((head) => head.name);
}

test("a project without a lake reads as an empty one, and stays without", async () => {
  await using folder = await tempFolder();
  await mkdir(join(folder.path, "drops"));
  expect(await opened(folder.path)).toEqual([]);
  expect(await readdir(folder.path)).toEqual(["drops"]);
});

for (const warehouse of ["warehouse", "disks/big/lake"]) {
  const cases: Readonly<Record<string, (place: string) => Promise<unknown>>> = {
    "a link to nothing": (place) => symlink("/nowhere/to/be/found", place),
    "a link to itself": (place) => symlink(place, place),
    "a file": (place) => writeFile(place, "no lake"),
  };
  for (const [what, make] of Object.entries(cases)) {
    test(`${what} at ${warehouse} is an error, not an empty lake`, async () => {
      await using folder = await tempFolder();
      await writeFile(join(folder.path, "tarn.yaml"), `warehouse: ${warehouse}\n`);
      const [first = "", ...deeper] = warehouse.split("/");
      const above = join(folder.path, first, ...deeper.slice(0, -1));
      if (deeper.length > 0) await mkdir(join(folder.path, first));
      await make(deeper.length > 0 ? above : join(folder.path, first));
      const { code, message } = await opened(folder.path).then(
        () => ({ code: "opened", message: "" }),
        (thrown) => thrown,
      );
      expect([code, message]).toEqual(["io", expect.stringContaining(folder.path)]);
    });
  }
}
