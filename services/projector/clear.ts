/**
 * Clear text of records, for the store's one table of it. Opens what is sealed with the session's key; a session whose
 * key was erased has none, for ever.
 *
 * Keeps keys only in memory, a bounded number of them. Refuses nothing: a text that no key opens is reported to the
 * caller by name of the session, and the record is kept without it.
 */
import type { Blobs } from "../../infra/blobs/blobs.ts";
import type { Keys } from "../../infra/keys/keys.ts";
import { openBytes } from "../../infra/keys/seal.ts";
import type { LogRecord } from "../../infra/log/log.ts";
import type { ClearText } from "../../infra/store/store.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { EventData, Sealed } from "../../schemas/event-data.ts";

export interface ClearParts {
  readonly keys: Keys;
  readonly blobs: Blobs;
  /** The key id of a session that was opened before this process started; null when nobody knows it. */
  readonly keyIdOf: (session: string) => Promise<string | null>;
}

const keysKeptMax = 10_000;

export class ClearTexts {
  readonly #parts: ClearParts;
  readonly #keyIds = new Map<string, string>();
  readonly #keys = new Map<string, Uint8Array>();

  constructor(parts: ClearParts) {
    this.#parts = parts;
  }

  /**
   * Learns which key a session has, and forgets keys that were erased. A session that is closed is not forgotten: what it
   * said may still wait to be written, and a short one was never in the store, where its key could be asked for.
   */
  follow(record: LogRecord): void {
    if (record.type === "session.opened") {
      const { keyId } = record.envelope.data as EventData["session.opened"];
      keep(this.#keyIds, record.envelope.session ?? "", keyId);
    } else if (record.type === "key.erased") {
      this.#keys.delete((record.envelope.data as EventData["key.erased"]).keyId);
    }
  }

  /**
   * @returns null when the record has no text, or its key was erased
   * @throws ThroughlineError `keys.missing` when the key was never here or does not open it; `export.damaged`, `not.found`
   *   when a large text is changed or gone
   */
  async of(record: LogRecord): Promise<ClearText | null> {
    if (record.type !== "command.decided" && record.type !== "approval.asked") return null;
    const { text, parameters } = record.envelope.data as EventData["command.decided"];
    const session = record.envelope.session ?? "";
    const key = await this.#keyOf(session);
    if (key === null) return null;
    return {
      text: await this.#open(key, text, session),
      parameters: parameters ? await this.#open(key, parameters, session) : null,
    };
  }

  async #keyOf(session: string): Promise<Uint8Array | null> {
    const keyId = this.#keyIds.get(session) ?? (await this.#parts.keyIdOf(session));
    if (keyId === null) throw new ThroughlineError("keys.missing", `Nobody opened session ${session} in this log`);
    keep(this.#keyIds, session, keyId);
    const known = this.#keys.get(keyId);
    if (known) return known;
    const key = await this.#parts.keys.get(keyId);
    if (key !== null) keep(this.#keys, keyId, key);
    return key;
  }

  async #open(key: Uint8Array, sealed: Sealed, session: string): Promise<string> {
    const bytes =
      sealed.reference === undefined
        ? Buffer.from(sealed.sealed ?? "", "base64")
        : await this.#parts.blobs.get(sealed.reference);
    const clear = openBytes(key, bytes, "");
    if (clear === null)
      throw new ThroughlineError("keys.missing", `The key of session ${session} does not open a text`);
    return clear.toString("utf8");
  }
}

function keep<V>(map: Map<string, V>, key: string, value: V): void {
  const oldest = map.keys().next().value;
  if (map.size >= keysKeptMax && !map.has(key) && oldest !== undefined) map.delete(oldest);
  map.set(key, value);
}
