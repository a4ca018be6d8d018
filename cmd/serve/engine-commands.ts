/** The commands that need the engine lease, by the name they are asked for over the socket; loaded when asked. */

export const ENGINE_COMMANDS = {
  build: async () => (await import("../commands/build.ts")).runBuild,
  retry: async () => (await import("../commands/retry.ts")).runRetry,
  load: async () => (await import("../commands/load.ts")).runLoad,
  replay: async () => (await import("../commands/replay.ts")).runReplay,
  reread: async () => (await import("../commands/reread.ts")).runReread,
  repair: async () => (await import("../commands/repair.ts")).runRepair,
  contract: async () => (await import("../commands/contract-change.ts")).runChange,
  restore: async () => (await import("../commands/restore.ts")).runRestore,
  quarantine: async () => (await import("../commands/quarantine-run.ts")).runQuarantine,
  drop: async () => (await import("../commands/drop.ts")).runDrop,
  forget: async () => (await import("../commands/forget.ts")).runForget,
  source: async () => (await import("../commands/source.ts")).runSource,
  maintain: async () => (await import("../commands/maintain.ts")).runMaintain,
  tag: async () => (await import("../commands/tag.ts")).runTag,
  branch: async () => (await import("../commands/branch-run.ts")).runBranch,
  register: async () => (await import("../commands/register-run.ts")).runRegister,
  "add-files": async () => (await import("../commands/add-files-run.ts")).runAddFiles,
  reconcile: async () => (await import("../commands/reconcile.ts")).runReconcile,
  write: async () => (await import("../commands/write.ts")).runWrite,
  rename: async () => (await import("../commands/write.ts")).runRename,
} as const;
