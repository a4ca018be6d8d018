/** The template `shop`: files and a change feed, silver tables, gold with a bug in it to fix by replay. */

import dailyActiveUsers from "./shop/models/gold/daily_active_users.sql" with { type: "text" };
import dailyRevenue from "./shop/models/gold/daily_revenue.sql" with { type: "text" };
import topCustomers from "./shop/models/gold/top_customers.sql" with { type: "text" };
import clicks from "./shop/models/silver/clicks.sql" with { type: "text" };
import customers from "./shop/models/silver/customers.sql" with { type: "text" };
import history from "./shop/models/silver/customers_history.sql" with { type: "text" };
import orders from "./shop/models/silver/orders.sql" with { type: "text" };
import payments from "./shop/models/silver/payments.sql" with { type: "text" };
import netFix from "./shop/net-fix.ts.txt" with { type: "text" };
import ordersFixed from "./shop/orders-net-fixed.sql" with { type: "text" };
import sampleClicks from "./shop/sample-clicks.ndjson" with { type: "text" };
import sampleCustomers from "./shop/sample-customers.ndjson" with { type: "text" };
import sampleOrders from "./shop/sample-orders.csv" with { type: "text" };
import samplePayments from "./shop/sample-payments.ndjson" with { type: "text" };
import config from "./shop/tarn.yaml" with { type: "text" };
import topPages from "./shop/top-pages.sql" with { type: "text" };
import type { Template, TemplateFile } from "./template.ts";

/** The shop. `npm start` brings its own, larger drops, and leaves the sample out. */
export function shopTemplate(): Template {
  return {
    name: "shop",
    files: [
      { path: "tarn.yaml", text: config, comment: "sources, layers and what is kept" },
      ...sample(),
      ...models(),
      { path: "queries/top-pages.sql", text: topPages, comment: "a saved query" },
      {
        path: "replays/orders-net-fixed.sql",
        text: ordersFixed,
        comment: "silver.orders without its bug: copy it over the model, then replay",
      },
      { path: "replays/net-fix.ts", text: netFix, comment: "the same replay as a script" },
    ],
    next: ["tarn build", "tarn sql -c 'from gold.daily_revenue'"],
  };
}

function models(): TemplateFile[] {
  const at = (path: string, text: string, comment: string): TemplateFile => ({
    path: `models/${path}.sql`,
    text,
    comment,
  });
  return [
    at("silver/orders", orders, "the latest version of each order (with a bug to find)"),
    at("silver/customers", customers, "each customer as the database has it now"),
    at("silver/customers_history", history, "each version of a customer, and when it was"),
    at("silver/payments", payments, "payments without retries and doubles"),
    at("silver/clicks", clicks, "page events, bad ones set aside"),
    at("gold/daily_revenue", dailyRevenue, "what was sold on each day"),
    at("gold/daily_active_users", dailyActiveUsers, "who came on each day"),
    at("gold/top_customers", topCustomers, "a view: computed when it is read"),
  ];
}

function sample(): TemplateFile[] {
  const at = (path: string, text: string, comment: string): TemplateFile => ({
    path: `drops/${path}`,
    text,
    comment,
    isSample: true,
  });
  return [
    at("orders/sample.csv", sampleOrders, "orders, three of them bad"),
    at("customers/sample.ndjson", sampleCustomers, "changes of customers, as Debezium tells them"),
    at("payments/sample.ndjson", samplePayments, "payments with a retry and a double"),
    at("clicks/sample.ndjson", sampleClicks, "page events, out of order"),
  ];
}
