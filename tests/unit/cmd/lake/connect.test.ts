/** Settings for other engines: the address of tarn.yaml, the token left in its file, and who is not known. */

import { expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connectionOf, ENGINES, settingsFor } from "../../../../cmd/lake/connect.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

async function connectionWith(yaml: string) {
  await using folder = await tempFolder();
  await writeFile(join(folder.path, "tarn.yaml"), yaml);
  return await connectionOf(folder.path);
}

test("the address is that of tarn.yaml, as this machine reaches it", async () => {
  expect(await connectionWith("")).toMatchObject({
    uri: "http://127.0.0.1:8276/iceberg",
    isServed: false,
  });
  expect(await connectionWith("serve: { http: 0.0.0.0:9000 }\n")).toMatchObject({
    uri: "http://127.0.0.1:9000/iceberg",
    isServed: true,
  });
  expect(connectionWith("serve: { http: 127.0.0.1:0 }\n")).rejects.toThrow("another one each time");
});

test("each engine is given the address and the file that holds the token", () => {
  const connection = { uri: "http://x:1/iceberg", tokenFile: "/it's/http.token", isServed: true };
  for (const engine of ENGINES) {
    const text = settingsFor(engine, connection).join("\n");
    expect(text).toContain("http://x:1/iceberg");
    expect(text).toContain("http.token");
  }
  expect(settingsFor("spark", connection).join("\n")).toContain(
    String.raw`cat '/it'\''s/http.token'`,
  );
  expect(() => settingsFor("flink", connection)).toThrow('connect knows no "flink"');
});
