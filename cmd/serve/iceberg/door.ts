/** What the routes of the Iceberg REST catalog work with. */

import { Turnstile } from "../../../core/base/turnstile.ts";
import type { IcebergCatalog } from "../../../storage/catalog/iceberg-catalog.ts";
import { anotherRequest, type Idempotency } from "../../../storage/catalog/idempotency.ts";
import { type Makers, makersOf } from "../../lake/foreign-rules.ts";
import type { Session } from "../../open.ts";
import type { Answer } from "./answer.ts";

/** Who makes which table is looked at this often. */
const MAKERS_MS = 5_000;

export class Door {
  readonly session: Session;
  readonly catalog: IcebergCatalog;
  /** Something was committed. */
  readonly wake: () => void;
  /** Those who commit here come one after the other, instead of undoing each other's attempts. */
  readonly #commits = new Turnstile(1);
  /** What was answered to requests with a key. */
  readonly answers = new Answers();
  #makers: { readonly at: number; readonly makers: Promise<Makers> } | null = null;

  constructor(session: Session, catalog: IcebergCatalog, wake: () => void) {
    this.session = session;
    this.catalog = catalog;
    this.wake = wake;
  }

  async makers(): Promise<Makers> {
    const at = this.session.ports.clock.nowMs();
    const known = this.#makers;
    if (known !== null && at - known.at < MAKERS_MS && at >= known.at) return await known.makers;
    const makers = makersOf(this.session);
    this.#makers = { at, makers };
    // What failed is asked again.
    makers.catch(() => {
      this.#makers = null;
    });
    return await makers;
  }

  /** Commits, and wakes whoever waits for rows. */
  async change<T>(work: () => Promise<T>): Promise<T> {
    const result = await this.#commits.pass(work);
    this.wake();
    return result;
  }
}

/** Answers kept in memory; those of commits are in the catalog as well. */
const ANSWERS_MAX = 1_000;

interface Given {
  readonly hash: string;
  readonly answer: Promise<Answer>;
}

/** Whoever asks again under a key hears what was answered, also while it is under way. */
class Answers {
  readonly #byKey = new Map<string, Given>();

  async once({ key, hash }: Idempotency, work: () => Promise<Answer>): Promise<Answer> {
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      if (known.hash === hash) return await known.answer;
      throw anotherRequest();
    }
    const answer = work();
    this.#byKey.set(key, { hash, answer });
    try {
      return await answer;
    } catch (thrown) {
      // Nothing was done: it may be tried again.
      this.#byKey.delete(key);
      throw thrown;
    } finally {
      const [oldest] = this.#byKey.keys();
      if (this.#byKey.size > ANSWERS_MAX && oldest !== undefined) this.#byKey.delete(oldest);
    }
  }
}
