/** Commands that are not over, by name, by session and by source; and steps that nobody will hear of any more. */
import {
  type Asking,
  type CommandState,
  commandsOf,
  join,
  type KeptUnfinished,
  leave,
  lose,
  type SessionState,
} from "./commands.ts";
import { isLive, type Step } from "./step.ts";

export class Unfinished {
  readonly #commands = new Map<string, CommandState>();
  /** By source, by session. */
  readonly #sessions = new Map<string, Map<string, SessionState>>();
  /** Steps that are not known to be finished, and whose commands are not known any more. */
  readonly #strays = new Set<Step>();
  /** What is older has been forgotten. */
  #sinceMs = Number.NEGATIVE_INFINITY;

  of(command: string | undefined): CommandState | undefined {
    return this.#commands.get(command ?? "");
  }

  begin({ source, subject }: Asking): CommandState {
    const { command = "", session: name = "" } = subject;
    let ofSource = this.#sessions.get(source);
    if (ofSource === undefined) {
      ofSource = new Map();
      this.#sessions.set(source, ofSource);
    }
    let session = ofSource.get(name);
    if (session === undefined) {
      session = { name, commands: null };
      ofSource.set(name, session);
    }
    const state: CommandState = { command, session, source, commits: null, decided: false, step: null };
    this.#commands.set(command, state);
    join(session, state);
    return state;
  }

  forget(state: CommandState): void {
    this.leave(state);
    this.#commands.delete(state.command);
    leave(state.session, state);
  }

  /** Its command is not known any more, or does something else from here on. */
  leave({ step }: CommandState): void {
    if (step !== null && this.#isRunning(step)) this.#strays.add(step);
  }

  /** A session is over. @param each gets its commands before they are forgotten */
  close(source: string, name: string, at: number, each: (state: CommandState) => void): void {
    const session = this.#sessions.get(source)?.get(name);
    if (session === undefined) return;
    this.#lose(session, at, each);
    this.#sessions.get(source)?.delete(name);
  }

  /** A source has started again. @param each gets its commands before they are forgotten */
  restart(source: string, at: number, each: (state: CommandState) => void): void {
    for (const session of this.#sessions.get(source)?.values() ?? []) this.#lose(session, at, each);
    this.#sessions.delete(source);
  }

  #lose(session: SessionState, at: number, each: (state: CommandState) => void): void {
    for (const state of commandsOf(session)) each(state);
    for (const state of commandsOf(session)) {
      lose(state, at);
      this.leave(state);
      this.#commands.delete(state.command);
    }
  }

  /** Steps that are not known to be finished: what comes to their places until then counts for them. */
  *running(): Generator<Step> {
    for (const { step } of this.#commands.values()) if (step !== null && this.#isRunning(step)) yield step;
    for (const step of this.#strays) if (this.#isRunning(step)) yield step;
  }

  #isRunning(step: Step): boolean {
    return step.finishedAt === Number.POSITIVE_INFINITY && step.atMs >= this.#sinceMs && isLive(step);
  }

  /** Where the oldest command began of which something may still come; `at` when there is none. */
  oldest(at: number): number {
    let oldest = at;
    for (const { step } of this.#commands.values()) if (step !== null) oldest = Math.min(oldest, step.at);
    return oldest;
  }

  /** Forgets what no window reaches any more, and sessions that have nothing open: a name that comes again begins anew. */
  drop(beforeMs: number): void {
    this.#sinceMs = beforeMs;
    for (const step of this.#strays) if (step.atMs < beforeMs) this.#strays.delete(step);
    for (const sessions of this.#sessions.values())
      for (const session of sessions.values()) if (session.commands === null) sessions.delete(session.name);
  }

  facts(): string[] {
    const states = [...this.#commands].map(
      ([command, { decided, step }]) => `${command} ${decided} ${step?.at ?? "-"} ${step?.settled ?? "-"}`,
    );
    return states.sort();
  }

  kept(): KeptUnfinished {
    const sessions = [...this.#sessions].map(([source, ofSource]) => [source, [...ofSource.values()]] as const);
    return { states: [...this.#commands.values()], sessions, strays: [...this.#strays], sinceMs: this.#sinceMs };
  }

  /** Into an empty one. */
  restore({ states, sessions, strays, sinceMs }: KeptUnfinished): void {
    for (const state of states) this.#commands.set(state.command, state);
    for (const [source, ofSource] of sessions)
      this.#sessions.set(source, new Map(ofSource.map((one) => [one.name, one])));
    for (const step of strays) this.#strays.add(step);
    this.#sinceMs = sinceMs;
  }
}
