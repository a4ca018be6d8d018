/** The project on disk: where it is found, what is read, and mistakes with file, line and column. */

import { expect, test } from "bun:test";
import { mkdir, readdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { initProject, renderInit, TEMPLATE_NAMES } from "../../../../cmd/project/init.ts";
import {
  findProject,
  loadProject,
  projectStamp,
  requireProject,
} from "../../../../cmd/project/project.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

async function write(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

test("a project is found upward, by its settings before its folders", async () => {
  await using folder = await tempFolder();
  await write(folder.path, {
    "tarn.yaml": "",
    "drops/models/deep/x.csv": "",
    "other/a/drops/x.csv": "",
  });
  expect(await findProject(join(folder.path, "drops/models/deep"))).toBe(folder.path);
  expect(await findProject(join(folder.path, "other/a/drops"))).toBe(folder.path);
});

test("a folder with drops is a project without settings", async () => {
  await using folder = await tempFolder();
  await write(folder.path, { "drops/orders/x.csv": "" });
  const root = await requireProject(join(folder.path, "drops", "orders"));
  const project = await loadProject(root, {});
  expect([root, project.configFile, project.config?.sources, project.errors]).toEqual([
    folder.path,
    null,
    [],
    [],
  ]);
});

test("a folder without anything is an error that says how to begin", async () => {
  await using folder = await tempFolder();
  expect(requireProject(folder.path)).rejects.toThrow("is not in a project");
});

test("a mistake in tarn.yaml has its place", async () => {
  await using folder = await tempFolder();
  const yaml = "project: shop\nsources:\n  orders:\n    fromat: csv\n    settle: soon\n";
  await write(folder.path, { "tarn.yaml": yaml });
  const project = await loadProject(folder.path, {});
  expect(project.config).toBeNull();
  expect(project.errors.map((error) => [error.code, error.page, error.hint, error.place])).toEqual([
    [
      "config",
      "T0107",
      'did you mean "format"?',
      { file: "tarn.yaml", line: 4, column: 5, length: 6 },
    ],
    [
      "config",
      "T0108",
      "durations are written 200ms, 2s, 5m, 2h or 14d",
      { file: "tarn.yaml", line: 5, column: 13, length: 4 },
    ],
  ]);
});

test("broken YAML is one error at its place", async () => {
  await using folder = await tempFolder();
  await write(folder.path, { "tarn.yaml": "project: [\nx: 1\n" });
  const { errors } = await loadProject(folder.path, {});
  expect([errors.length, errors[0]?.place?.file, errors[0]?.page]).toEqual([
    1,
    "tarn.yaml",
    "T0109",
  ]);
});

test("a key that stands twice is refused", async () => {
  await using folder = await tempFolder();
  await write(folder.path, { "tarn.yaml": "project: a\nproject: b\n" });
  expect((await loadProject(folder.path, {})).errors[0]?.place?.line).toBe(2);
});

test("aliases that expand for ever are refused", async () => {
  await using folder = await tempFolder();
  const levels = "bcdefghi".split("").map((name, index) => {
    const before = "abcdefgh"[index];
    return `${name}: &${name} [${Array(9).fill(`*${before}`).join(", ")}]`;
  });
  await write(folder.path, { "tarn.yaml": `a: &a [x]\n${levels.join("\n")}\n` });
  expect((await loadProject(folder.path, {})).errors.length).toBe(1);
});

test("variables come from the environment, then .env.local, then .env", async () => {
  await using folder = await tempFolder();
  await write(folder.path, {
    "tarn.yaml": `project: ${["A", "B", "C", "D"].map((name) => `\${${name}}`).join("-")}\n`,
    ".env": "A=env\nB=env # c\nC='e # v'\nexport D=x\n",
    ".env.local": "B=local\n",
  });
  expect((await loadProject(folder.path, { A: "process" })).config?.project).toBe(
    "process-local-e # v-x",
  );
});

test("models are read with the layers' defaults, and keep their mistakes apart", async () => {
  await using folder = await tempFolder();
  await write(folder.path, {
    "tarn.yaml": "layers: { silver: { on_fail: drop } }\n",
    "models/silver/a.sql": "/* tarn\ntests: [{expect: x > 0}]\n*/\nselect 1 as x",
    "models/gold/b.sql": "/* tarn\nkindd: full\n*/\nselect 1",
    "models/gold/.c.sql": "not a model",
  });
  const project = await loadProject(folder.path, {});
  expect(project.models.map((model) => [model.name, model.expectations[0]?.action])).toEqual([
    ["silver.a", "drop"],
  ]);
  expect(project.errors.map((error) => error.place?.file)).toEqual(["models/gold/b.sql"]);
});

test("a link below models is named, as it makes no model", async () => {
  await using folder = await tempFolder();
  await write(folder.path, {
    "elsewhere/a.sql": "select 1 as a\n",
    "models/silver/b.SQL": "select 1 as b\n",
  });
  await symlink(join(folder.path, "elsewhere/a.sql"), join(folder.path, "models/silver/a.sql"));
  await symlink(join(folder.path, "elsewhere"), join(folder.path, "models/gold"));
  const project = await loadProject(folder.path, {});
  expect(project.models.map((model) => model.name)).toEqual(["silver.b"]);
  expect(project.warnings.map((warning) => warning.place?.file)).toEqual([
    "models/gold",
    "models/silver/a.sql",
  ]);
});

test("every template is a valid project", async () => {
  for (const template of TEMPLATE_NAMES) {
    await using folder = await tempFolder();
    const result = await initProject({ folder: folder.path, template, sample: true });
    const project = await loadProject(folder.path, {});
    expect([template, project.errors, project.warnings]).toEqual([template, [], []]);
    expect(result.files.every((file) => file.written && file.comment !== "")).toBe(true);
  }
});

test("init writes nothing over a file that is there", async () => {
  await using folder = await tempFolder();
  const model = "models/gold/daily_revenue.sql";
  await write(folder.path, { [model]: "select 1 as mine\n" });
  const result = await initProject({ folder: folder.path, template: "shop", sample: false });
  expect(await Bun.file(join(folder.path, model)).text()).toBe("select 1 as mine\n");
  expect(result.files.filter((file) => !file.written).map((file) => file.path)).toEqual([model]);
  expect(renderInit(result, dirname(folder.path))).toContain(
    "1 file was there already and left alone",
  );
  expect(result.files.some((file) => file.path.startsWith("drops/"))).toBe(false);
});

test("init writes nothing into a project, nor below one", async () => {
  await using folder = await tempFolder();
  await write(folder.path, { "tarn.yaml": "project: mine\n" });
  for (const inside of ["", "drops", "a/b"]) {
    const request = { folder: join(folder.path, inside), template: "empty", sample: true };
    await expect(initProject(request)).rejects.toThrow("nothing was written");
  }
  expect(await readdir(folder.path)).toEqual(["tarn.yaml"]);
});

test("an unknown template names the nearest one", async () => {
  expect(
    initProject({ folder: "/tmp/never", template: "shp", sample: true }),
  ).rejects.toMatchObject({
    hint: 'did you mean "shop"?',
  });
});

test("the stamp of a project changes with each of its files, and is withheld while one is young", async () => {
  await using folder = await tempFolder();
  const old = new Date(Date.now() - 60_000);
  const files = ["tarn.yaml", ".env", "models/gold/a.sql", "models/gold/deep/b.sql"];
  await write(folder.path, Object.fromEntries(files.map((file) => [file, "select 1"])));
  const laterMs = Date.now() + 60_000;
  expect(projectStamp(folder.path, Date.now())).toBeNull();
  const seen = new Set([projectStamp(folder.path, laterMs)]);
  for (const file of files) {
    await utimes(join(folder.path, file), old, old);
    seen.add(projectStamp(folder.path, laterMs));
  }
  await write(folder.path, { "models/gold/c.sql": "" });
  seen.add(projectStamp(folder.path, laterMs));
  await rm(join(folder.path, ".env"));
  seen.add(projectStamp(folder.path, laterMs));
  expect(seen.size).toBe(files.length + 3);
  expect(seen.has(null)).toBe(false);
  expect(projectStamp(folder.path, laterMs)).toBe([...seen].at(-1) ?? null);
});
