/** An engine that is loaded with the first thing it is asked: most commands ask it nothing. */

import type { WorkerEngine } from "../../sql/worker/client.ts";

/** `load` runs at most once; an engine that was never asked has nothing to close. */
export function lazyEngine(load: () => Promise<WorkerEngine>): WorkerEngine {
  let loading: Promise<WorkerEngine> | null = null;
  const engine = (): Promise<WorkerEngine> => {
    loading ??= load();
    return loading;
  };
  return {
    // A hint only: an engine that cannot be loaded says so when it is asked.
    prepare: () =>
      void engine().then(
        (loaded) => loaded.prepare(),
        () => {},
      ),
    probe: async () => (await engine()).probe(),
    inspect: async (request) => (await engine()).inspect(request),
    decode: async (request) => (await engine()).decode(request),
    analyze: async (sql) => (await engine()).analyze(sql),
    describe: async (request) => (await engine()).describe(request),
    materialize: async (request) => (await engine()).materialize(request),
    rewrite: async (request) => (await engine()).rewrite(request),
    diff: async (request) => (await engine()).diff(request),
    close: async () => {
      if (loading !== null) await (await loading).close();
    },
  };
}
