/** References to secrets in tarn.yaml: where they may stand, and what is never shown. */

import { expect, test } from "bun:test";
import { hidden, redactor, withSecrets } from "../../../../core/config/secret.ts";
import { sourceReader } from "../../../../core/config/sources.ts";
import { readConfig } from "../../../../core/config.ts";
import { FORMATS } from "../../../../sql/decode/formats.ts";
import { sourceKinds } from "../../../../storage/sources/kinds.ts";

async function issues(data: unknown, env: Record<string, string> = {}): Promise<readonly string[]> {
  const kinds = await sourceKinds("all");
  const read = readConfig(data, {
    folderName: "x",
    env,
    sources: sourceReader({ formats: FORMATS, kinds }),
  });
  return read.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
}

const PG = { kind: "postgres", host: "h" };

test("a secret stands under secret keys of a source and nowhere else", async () => {
  const password = `\${secret:pw}`;
  expect(await issues({ sources: { s: { ...PG, password } } })).toEqual([]);
  expect(
    await issues({ sources: { s: { kind: "postgres", url: `p://u:${password}@h` } } }),
  ).toEqual([]);
  const endpoints = { e: { path: "/" } };
  const api = { kind: "api", url: "https://h", endpoints };
  expect(await issues({ sources: { s: { ...api, auth: { bearer: password } } } })).toEqual([]);
  const misplaced = "a secret cannot stand here: it could be shown";
  expect(await issues({ project: password })).toContain(`project: ${misplaced}`);
  expect(await issues({ sources: { s: { ...PG, host: password } } })).toContain(
    `sources.s.host: ${misplaced}`,
  );
  expect(await issues({ sources: { s: { path: password } } })).toContain(
    `sources.s.path: ${misplaced}`,
  );
});

test("neither a variable nor an escape makes a reference, and names are checked", async () => {
  const source = (password: string) => ({ sources: { s: { ...PG, password } } });
  expect(await issues(source(`\${V}`), { V: `\${secret:pw}` })).toEqual([
    "sources.s.password: the variable V names a secret",
  ]);
  expect((await issues(source(`$\${secret:pw}`)))[0]).toContain("cannot be written here");
  expect((await issues(source(`\${secret:../pw}`)))[0]).toContain("cannot name a secret");
});

test("a secret is declared with one place that it comes from", async () => {
  expect(await issues({ secrets: { a: { exec: ["pass", "a"] }, b: { file: "/run/b" } } })).toEqual(
    [],
  );
  const both = "secrets.a: the secret a comes from a file or from a program";
  expect(await issues({ secrets: { a: {} } })).toEqual([both]);
  expect(await issues({ secrets: { a: { exec: ["x"], file: "y" } } })).toEqual([both]);
  expect(await issues({ secrets: { a: { exec: [] } } })).toEqual([both]);
});

test("values take the place of names for whoever reads the source, once asked each", async () => {
  const asked: string[] = [];
  const settings = { url: `p://u:\${secret:a}@h/\${secret:a}`, list: [`\${secret:b}`, 1, null] };
  const known = await withSecrets(settings, async (name) => {
    asked.push(name);
    return `$&${name}`;
  });
  expect(known).toEqual({ url: "p://u:$&a@h/$&a", list: ["$&b", 1, null] });
  expect(asked).toEqual(["a", "b"]);
});

test("what is shown of settings, and of what servers say, has no secret in it", () => {
  const settings = { url: "p://u:p%40ss@h:5432/db", auth: { basic: "me:w0rdy" }, host: "h" };
  const redact = redactor(settings, ["url", "auth"]);
  expect(redact("no p@ss or p%40ss for me:w0rdy, w0rdy at h:5432/db")).toBe(
    "no (secret) or (secret) for (secret), (secret) at h:5432/db",
  );
  expect(hidden(settings, ["url", "auth"])).toEqual({
    url: "(secret)",
    auth: "(secret)",
    host: "h",
  });
  expect(hidden({ password: `\${secret:a}` }, ["password"])).toEqual({
    password: `\${secret:a}`,
  });
});

test("a secret key may be in another: what stands beside it is shown", async () => {
  const keys = ["password", "registry.password"];
  const settings = { password: null, registry: { url: "http://r", password: "hush hush" } };
  expect(hidden(settings, keys)).toEqual({
    password: null,
    registry: { url: "http://r", password: "(secret)" },
  });
  expect(redactor(settings, keys)("http://r says hush hush")).toBe("http://r says (secret)");
  const kafka = { kind: "kafka", brokers: ["h:9092"], topics: ["t"] };
  const source = (url: string, password: string) => ({
    sources: { s: { ...kafka, registry: { url, user: "u", password } } },
  });
  const secret = `\${secret:a}`;
  expect(await issues(source("http://r", secret))).toEqual([]);
  expect(await issues(source(secret, "p"))).toContain(
    "sources.s.registry.url: a secret cannot stand here: it could be shown",
  );
});
