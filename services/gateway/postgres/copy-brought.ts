/** What COPY FROM STDIN brings, looked at as it passes by (DETECTION §2.7). */
import { createHash } from "node:crypto";
import type { Command } from "../../../schemas/command.ts";
import type { Bringing, Content } from "../content.ts";
import type { Session } from "../session.ts";
import { CopyValues } from "./copy-values.ts";

export class CopyBrought {
  readonly #bringing: Bringing | null;
  readonly #values: CopyValues;
  readonly #digest = createHash("sha256");

  constructor(content: Content | null, session: Session) {
    const bringing = content?.bringing(session) ?? null;
    this.#bringing = bringing;
    this.#values = new CopyValues(
      (text) => bringing?.value(text),
      () => bringing?.row(),
      (data) => void this.#digest.update(data),
    );
  }

  frames(bytes: Buffer, start: number, end: number): void {
    if (this.#bringing !== null) this.#values.frames(bytes, start, end);
  }

  /** @returns of all that came, hex; null when nobody asks */
  digest(): string | null {
    return this.#bringing === null ? null : this.#digest.digest("hex");
  }

  /** All of it has come. @param command that stands for its end @returns whether enough of it was shown to be said */
  say(command: Command): boolean {
    if (this.#bringing === null) return false;
    this.#values.finish();
    return this.#bringing.say(command);
  }
}
