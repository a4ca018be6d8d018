/** The entry of the program: a worker before anything else, otherwise the command tree. */

if (process.argv[2] === "__worker") {
  const { runWorkerProcess } = await import("./worker.ts");
  await runWorkerProcess();
} else if (process.argv[2] === "--version") {
  const { BUILD, VERSION } = await import("./version.ts");
  console.log(`tarn ${VERSION} (${BUILD})`);
}

export {};
