/** What COPY FROM STDIN brings, looked at as it passes by (DETECTION §2.7). */
import type { Bringing, Content } from "../content.ts";
import type { Session } from "../session.ts";
import { CopyValues } from "./copy-values.ts";
import type { Run } from "./run.ts";

export class CopyBrought {
  readonly #bringing: Bringing | null;
  readonly #values: CopyValues;

  constructor(content: Content | null, session: Session, { judgement }: Pick<Run, "judgement">) {
    const bringing = content?.bringing(session, judgement.command) ?? null;
    this.#bringing = bringing;
    this.#values = new CopyValues(
      (text) => bringing?.value(text),
      () => bringing?.row(),
    );
  }

  frames(bytes: Buffer, start: number, end: number): void {
    if (this.#bringing !== null) this.#values.frames(bytes, start, end);
  }

  /** All of it has come. @returns whether enough of it was shown to others to be said */
  say(): boolean {
    if (this.#bringing === null) return false;
    this.#values.finish();
    return this.#bringing.say();
  }
}
