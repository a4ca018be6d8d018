/** The entry of the program: a worker before anything else, otherwise the command tree. */

export {};

/** By then a command is no longer starting, and code that runs often shall be compiled as usual. */
const STARTED_MS = 100;
setTimeout(() => Bun.unsafe.setJITPolicy(1), STARTED_MS).unref();

if (process.argv[2] === "__worker") {
  const { runWorkerProcess } = await import("./worker.ts");
  await runWorkerProcess(process.argv[3]);
} else if (process.argv[2] === "__reader") {
  const { runReaderProcess } = await import("./reader.ts");
  await runReaderProcess();
} else if (process.argv[2] === "__step") {
  const { runStepProcess } = await import("./step.ts");
  await runStepProcess();
} else if (process.argv[2] === "__step-host") {
  const { runStepHost } = await import("./step-host.ts");
  await runStepHost(process.argv[3] ?? "", process.argv[4] ?? "null");
} else if (process.argv[2] === "__script") {
  const { runScriptProcess } = await import("./script/host.ts");
  await runScriptProcess(process.argv[3] ?? "");
} else {
  const words = process.argv.slice(2);
  const asksHelp = words.includes("--help") || words.includes("-h");
  if (words[0] === "sql" && !asksHelp) (await import("./shell/engine.ts")).openEngineEarly();
  const { runTree } = await import("./tree.ts");
  await runTree(words);
}
