/** Requests as they travel to a worker: without column metrics, which are most of a scan and serve only planning. */

import type {
  Binding,
  DescribeRequest,
  DiffRequest,
  MaterializeMode,
  MaterializeRequest,
  RewriteRequest,
} from "../../core/engine.ts";
import type { ColumnMetrics, DataFile, FieldId, Scan } from "../../core/table/types.ts";

const NO_METRICS: ReadonlyMap<FieldId, ColumnMetrics> = new Map();

export function slimDescribe(request: DescribeRequest): DescribeRequest {
  return { ...request, bindings: request.bindings.map(slimBinding) };
}

export function slimMaterialize(request: MaterializeRequest): MaterializeRequest {
  return {
    ...request,
    bindings: request.bindings.map(slimBinding),
    testBindings: request.testBindings.map(slimBinding),
    mode: slimMode(request.mode),
    rejectTarget: request.rejectTarget === null ? null : slimScan(request.rejectTarget),
  };
}

export function slimRewrite(request: RewriteRequest): RewriteRequest {
  return { ...request, scan: slimScan(request.scan) };
}

export function slimDiff(request: DiffRequest): DiffRequest {
  return { ...request, before: slimScan(request.before), after: slimScan(request.after) };
}

function slimMode(mode: MaterializeMode): MaterializeMode {
  return mode.kind === "rows" ? mode : { ...mode, target: slimScan(mode.target) };
}

function slimBinding(binding: Binding): Binding {
  return binding.kind === "scan"
    ? { ...binding, scan: slimScan(binding.scan) }
    : { ...binding, bindings: binding.bindings.map(slimBinding) };
}

function slimScan(scan: Scan): Scan {
  return {
    ...scan,
    files: scan.files.map((entry) => ({ ...entry, file: slimFile(entry.file) })),
    deletes: scan.deletes.map(slimFile),
  };
}

function slimFile(file: DataFile): DataFile {
  return { ...file, metrics: NO_METRICS };
}
