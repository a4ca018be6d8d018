/** Payments as Parquet from a payment provider: attempts that fail and are tried again, and rows sent twice. */

import {
  Int32,
  Int64,
  makeData,
  makeVector,
  Table,
  TimestampMicrosecond,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import {
  Compression,
  Table as WasmTable,
  WriterPropertiesBuilder,
  writeParquet,
} from "parquet-wasm";
import { orderOf } from "./orders.ts";
import { streamOf } from "./random.ts";

export interface Payment {
  readonly paymentId: string;
  readonly orderId: number;
  readonly attempt: number;
  readonly method: string;
  readonly status: "failed" | "settled";
  readonly amountCents: number;
  readonly paidMs: number;
}

/** Payments for the orders of one day; about one in ten is retried, one in fifty stands there twice. */
export function paymentsOfDay(options: {
  readonly seed: number;
  readonly day: number;
  readonly perDay: number;
  readonly customers: number;
}): readonly Payment[] {
  const { seed, day, perDay, customers } = options;
  const random = streamOf(seed, "payments", day);
  const payments: Payment[] = [];
  for (let id = day * perDay + 1; id <= (day + 1) * perDay; id++) {
    const order = orderOf(seed, perDay, customers, id);
    const attempts = random.chance(0.1) ? 2 + random.below(2) : 1;
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const isLast = attempt === attempts;
      const payment: Payment = {
        paymentId: `pay_${id.toString(36).padStart(6, "0")}`,
        orderId: id,
        attempt,
        method: random.pick(["card", "card", "sepa", "invoice"]),
        status: isLast ? "settled" : "failed",
        // A test transaction now and then.
        amountCents: random.chance(0.002) ? 0 : order.amountCents,
        paidMs: order.orderedMs + attempt * 90_000 + random.below(60_000),
      };
      payments.push(payment);
      if (random.chance(0.02)) payments.push(payment);
    }
  }
  return payments;
}

/** The payments as one Parquet file. Written without DuckDB, as another system would. */
export function paymentsParquet(payments: readonly Payment[]): Uint8Array {
  const texts = (of: (payment: Payment) => string) => vectorFromArray(payments.map(of), new Utf8());
  const longs = (of: (payment: Payment) => number) =>
    makeVector(
      makeData({ type: new Int64(), data: BigInt64Array.from(payments, (row) => BigInt(of(row))) }),
    );
  const table = new Table({
    payment_id: texts((payment) => payment.paymentId),
    order_id: longs((payment) => payment.orderId),
    attempt: makeVector(
      makeData({ type: new Int32(), data: Int32Array.from(payments, (row) => row.attempt) }),
    ),
    method: texts((payment) => payment.method),
    status: texts((payment) => payment.status),
    amount_cents: longs((payment) => payment.amountCents),
    paid_at: makeVector(
      makeData({
        type: new TimestampMicrosecond("UTC"),
        data: BigInt64Array.from(payments, (row) => BigInt(row.paidMs) * 1_000n),
      }),
    ),
  });
  const properties = new WriterPropertiesBuilder().setCompression(Compression.SNAPPY).build();
  return writeParquet(WasmTable.fromIPCStream(tableToIPC(table, "stream")), properties);
}
