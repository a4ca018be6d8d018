/** The entry of the binary: a worker before anything else, otherwise the command tree. */

if (process.argv[2] === "__worker") {
  const { runWorkerProcess } = await import("./worker.ts");
  await runWorkerProcess();
} else if (process.argv[2] === "--version") {
  console.log(`tarn ${process.env["TARN_VERSION"] ?? "dev"} (${process.env["TARN_BUILD"] ?? "dev"})`);
} else if (process.argv[2] === "select42") {
  const { openDuckDB } = await import("../sql/duckdb.ts");
  const db = await openDuckDB({ threads: 2, memoryBytes: 1e9, tempFolder: null, allowedPaths: [], allowedFolders: [], lockdown: true });
  console.log(await db.rows("select 42 as x"));
}
