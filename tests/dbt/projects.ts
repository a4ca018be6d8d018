/** The projects that are compared: public ones at GitHub, and our own. */

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface DbtProjectUnderTest {
  readonly name: string;
  /** `owner/name`; null: it lies beside this file. */
  readonly repository: string | null;
  readonly folder: string;
  /** Folders of dbt_packages, with where they come from. */
  readonly packages: Readonly<Record<string, string>>;
  readonly vars: Readonly<Record<string, string | boolean>>;
  /** Seeds whose rows change between the runs. */
  readonly seeds: readonly string[];
  /** What has to be done to a checkout before anybody can run it. */
  readonly prepare: (root: string) => void;
}

const PLAIN = { repository: null, folder: "", packages: {}, vars: {}, seeds: [] };

export const PROJECTS: readonly DbtProjectUnderTest[] = [
  {
    ...PLAIN,
    name: "own",
    folder: "shop",
    seeds: ["seeds/raw_events.csv", "seeds/raw_customers.csv"],
    prepare: (root) => profile(root, "shop"),
  },
  {
    ...PLAIN,
    name: "jaffle_shop_duckdb",
    repository: "dbt-labs/jaffle_shop_duckdb",
    seeds: ["seeds/raw_orders.csv", "seeds/raw_payments.csv", "seeds/raw_customers.csv"],
    prepare: (root) => profile(root, "jaffle_shop"),
  },
  {
    ...PLAIN,
    name: "incremental-starter",
    repository: "Goku007007/dbt-duckdb-incremental-starter",
    seeds: ["seeds/orders.csv", "seeds/customers.csv"],
    prepare: (root) => profile(root, profileNamed(root)),
  },
  {
    ...PLAIN,
    name: "analytics-kit",
    repository: "rafarngt/dbt-duckdb-analytics-kit",
    seeds: ["orders", "order_items", "products", "customers"].map(
      (name) => `seeds/raw_${name}.csv`,
    ),
    prepare: (root) => profile(root, profileNamed(root)),
  },
  {
    ...PLAIN,
    name: "jaffle-shop",
    repository: "dbt-labs/jaffle-shop",
    packages: { dbt_utils: "dbt-labs/dbt-utils", dbt_date: "godatadriven/dbt-date" },
    seeds: ["seeds/jaffle-data/raw_products.csv", "seeds/jaffle-data/raw_supplies.csv"],
    prepare: (root) => {
      for (const file of ["packages.yml", "package-lock.yml"])
        rmSync(join(root, file), { force: true });
      makeLargeSeeds(root);
      const file = join(root, "dbt_project.yml");
      const text = readFileSync(file, "utf8");
      writeFileSync(
        file,
        text.replace("var('load_source_data', false)", "var('load_source_data', true)"),
      );
      profile(root, profileNamed(root));
    },
  },
];

/** A profile of DuckDB in the project's own folder. */
function profile(root: string, name: string): void {
  writeFileSync(
    join(root, "profiles.yml"),
    `${name}:\n  target: dev\n  outputs:\n    dev: { type: duckdb, path: dbt.duckdb, threads: 1 }\n`,
  );
}

function profileNamed(root: string): string {
  const text = readFileSync(join(root, "dbt_project.yml"), "utf8");
  return /^profile:\s*["']?([\w-]+)/m.exec(text)?.[1] ?? "default";
}

/** Some mirrors keep no large files: orders and their items are made in the place of those that are not there. */
function makeLargeSeeds(root: string): void {
  const folder = join(root, "seeds/jaffle-data");
  if (existsSync(join(folder, "raw_orders.csv")) || !existsSync(folder)) return;
  const idsOf = (file: string): string[] =>
    readdirSync(folder).includes(file)
      ? readFileSync(join(folder, file), "utf8")
          .trim()
          .split("\n")
          .slice(1)
          .map((line) => line.split(",")[0] ?? "")
      : [];
  const customers = idsOf("raw_customers.csv");
  const stores = idsOf("raw_stores.csv");
  const products = idsOf("raw_products.csv");
  const orders = ["id,customer,ordered_at,store_id,subtotal,tax_paid,order_total"];
  const items = ["id,order_id,sku"];
  for (let nth = 0; nth < 2_000; nth += 1) {
    const at = new Date(Date.UTC(2016, 8, 1 + (nth % 300), nth % 24, nth % 60)).toISOString();
    const subtotal = 500 + ((nth * 37) % 900);
    const tax = Math.floor(subtotal / 20);
    const id = `order-${nth}`;
    const customer = customers[(nth * 7) % customers.length];
    const time = at.slice(0, 19);
    const store = stores[nth % stores.length];
    orders.push([id, customer, time, store, subtotal, tax, subtotal + tax].join(","));
    for (let item = 0; item <= nth % 3; item += 1) {
      items.push(`item-${nth}-${item},${id},${products[(nth + item) % products.length]}`);
    }
  }
  writeFileSync(join(folder, "raw_orders.csv"), `${orders.join("\n")}\n`);
  writeFileSync(join(folder, "raw_items.csv"), `${items.join("\n")}\n`);
}
