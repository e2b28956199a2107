/**
 * SQL text → what the gateway would say of it, by the product's own reader over the catalog of a real PostgreSQL that has
 * the company's tables. A text is read once; nothing is ever executed, so a table that a chain drops stays in the catalog.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { startPostgres } from "../../infra/deploy/postgres.ts";
import type { CommandFacts } from "../../schemas/event-data.ts";
import { detailsOf } from "../../services/gateway/details.ts";
import type { NameContext, Reader } from "../../services/gateway/effects/reader.ts";
import { createReader } from "../../services/gateway/postgres/read-target.ts";
import { ddl, scratchTables, target } from "./company.ts";

/** A text and what was read of it; one object per text. */
export interface Spoken {
  readonly text: string;
  readonly facts: CommandFacts;
}

const names: NameContext = { searchPath: ["public"], role: "postgres", definesPending: false };

export class Book {
  readonly #reader: Pick<Reader, "read">;
  readonly #known = new Map<string, Spoken>();

  constructor(reader: Pick<Reader, "read">) {
    this.#reader = reader;
  }

  get size(): number {
    return this.#known.size;
  }

  read(text: string): Spoken {
    let spoken = this.#known.get(text);
    if (spoken === undefined) {
      const reading = this.#reader.read(text, names);
      const { effects, opaque, transaction, undoable } = reading;
      const details = detailsOf(reading, "", text, new Uint8Array(32));
      spoken = { text, facts: { kind: "query", effects, opaque, transaction, undoable, details } };
      this.#known.set(text, spoken);
    }
    return spoken;
  }
}

/** Starts a PostgreSQL, makes the tables, loads the catalog, and stops it again: a Book needs it no longer. */
export async function openBook(): Promise<Book> {
  const folder = await mkdtemp(join(tmpdir(), "throughline-corpus-"));
  const postgres = await startPostgres({
    folder,
    settings: { fsync: "off", max_locks_per_transaction: String(scratchTables) },
  });
  try {
    const { port, password, superuser: user } = postgres;
    const account = { host: "127.0.0.1", port, database: "postgres", user, password, tls: "disable" as const };
    const client = new pg.Client({ host: "127.0.0.1", port, database: "postgres", user, password });
    await client.connect();
    await client.query(ddl());
    // Without it the planner knows nothing of so many new tables, and the catalog takes minutes to load.
    await client.query("ANALYZE");
    await client.end();
    const reader = await createReader({ target, account, now: Date.now });
    await reader.close();
    return new Book(reader);
  } finally {
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
