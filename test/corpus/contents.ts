/** What the gateway says of values that are shown and brought: its own code over the values that an act names. */
import type { Entry } from "../../infra/log/entry.ts";
import type { Appender } from "../../infra/log/log.ts";
import { sketchKey } from "../../infra/sketch/sketch.ts";
import type { Command } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import type { CommandFacts } from "../../schemas/event-data.ts";
import { Content } from "../../services/gateway/content.ts";
import { ContentIndex } from "../../services/gateway/content-index.ts";
import type { Session } from "../../services/gateway/session.ts";
import type { CommandAct } from "./act.ts";

type Said = Pick<Entry, "type" | "subject" | "data">;

export class Contents {
  readonly #index = new ContentIndex();
  readonly #content: Content;
  readonly #sessions = new Map<string, Session>();

  constructor(say: (said: Said) => void, now: () => number, isAsked: boolean) {
    const appender = { append: (said: Said) => say(said) } as unknown as Appender;
    const keys = [sketchKey(1, new Uint8Array(32).fill(7))];
    this.#content = new Content({
      appender,
      index: this.#index,
      keys: () => keys,
      isAsked: () => isAsked,
      now,
      follow: (append) => append(),
    });
  }

  fold(entry: Entry): void {
    this.#index.fold(entry);
  }

  of({ values, spoken }: CommandAct, subject: Subject, reading: CommandFacts) {
    const { shown, brought } = values ?? {};
    const command = {
      id: subject.command,
      text: spoken.text,
      parameters: brought ?? [],
      reading,
    } as unknown as Command;
    return {
      bring: () => {
        if (brought !== undefined) this.#content.bring(this.#session(subject), command);
      },
      show: () => {
        const showing = shown === undefined ? null : this.#content.showing(this.#session(subject), command);
        for (const value of shown ?? []) {
          showing?.value(value, ["pii", "pii.email"]);
          showing?.row();
        }
        showing?.say(true);
      },
    };
  }

  #session({ command: _, ...subject }: Subject): Session {
    const id = subject.session ?? "";
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    const session = { subject } as unknown as Session;
    this.#sessions.set(id, session);
    return session;
  }
}
