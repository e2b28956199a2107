/**
 * The corpus as plain events (DETECTION §7), each with its label: for `throughline rules run` and for other tools. A plain
 * event is over when it is read, so BEGIN, COMMIT and ROLLBACK are left out, and what was rolled back is an error.
 * Weak ties between identities, untagged places and parents of tasks told on their own have no plain form: a chain that needs them says so.
 */
import type { Act, CommandAct } from "./act.ts";
import { openBook } from "./reading.ts";
import { createTenant, type TenantLog } from "./tenant.ts";

export interface CorpusEvent {
  readonly event: Readonly<Record<string, unknown>>;
  /** Null = everyday work. */
  readonly label: CorpusLabel | null;
}

export interface CorpusLabel {
  /** The same for all steps of one chain or decoy. */
  readonly plan: string;
  readonly link: string;
  /** Null = a chain; else why it is none. */
  readonly decoy: string | null;
  /** From 1; `last` = the step that must be held (of a chain) or let pass (of a decoy). */
  readonly step: number;
  readonly last: boolean;
  readonly rule: string;
  readonly accounts: number;
  readonly spanMs: number;
}

export interface CorpusOptions {
  readonly days?: number;
  readonly chains?: number;
  /** Of applications; people and nights come on top. */
  readonly commands?: number;
}

export async function* corpusEvents(seed: number, options: CorpusOptions = {}): AsyncGenerator<CorpusEvent> {
  const { days = 40, chains = 200, commands = 200_000 } = options;
  yield* plainLines(createTenant({ book: await openBook(), seed, days, chains, commands }));
}

export function* plainLines(tenant: TenantLog): Generator<CorpusEvent> {
  const parents = new Map<string, string>();
  let number = 0;
  for (const acts of tenant.acts()) {
    const undone = rolledBack(acts);
    for (const act of acts) {
      if (act.kind === "task" && act.parent !== "") parents.set(act.task, act.parent);
      if (act.kind !== "command" || act.spoken.facts.effects.length === 0) continue;
      number += 1;
      yield { event: plainOf(act, `e${number}`, undone.has(act), parents), label: labelOf(act) };
    }
  }
}

function labelOf({ label }: CommandAct): CorpusLabel | null {
  if (label === null) return null;
  const { id, link, decoy, rule, accounts, spanMs } = label.plan;
  return { plan: id, link, decoy, step: label.step, last: label.last, rule, accounts, spanMs };
}

/** Commands whose transaction ended with ROLLBACK. */
function rolledBack(acts: readonly Act[]): ReadonlySet<Act> {
  const open = new Map<string, Act[]>();
  const undone = new Set<Act>();
  for (const act of acts) {
    if (act.kind !== "command") continue;
    const session = act.subject.session ?? "";
    const { kind } = act.spoken.facts.transaction;
    if (kind === "begin") open.set(session, []);
    else if (kind === "rollback") for (const one of open.get(session) ?? []) undone.add(one);
    if (kind === "commit" || kind === "rollback") open.delete(session);
    else open.get(session)?.push(act);
  }
  return undone;
}

/** @param undone what it read was shown all the same: rows stay */
function plainOf(
  act: CommandAct,
  id: string,
  undone: boolean,
  parents: ReadonlyMap<string, string>,
): CorpusEvent["event"] {
  const { subject, spoken, failed, rows, trace } = act;
  const { effects, opaque, kind } = spoken.facts;
  const parent = parents.get(subject.task ?? "");
  const isBroken = failed || undone;
  return {
    id,
    time: new Date(act.atMs).toISOString(),
    session: subject.session,
    identity: subject.identity,
    ...(subject.onbehalfof ? { onBehalfOf: subject.onbehalfof.split(" ") } : {}),
    account: subject.account,
    task: subject.task,
    ...(parent === undefined ? {} : { parentTask: parent }),
    target: subject.target,
    clientaddress: subject.clientaddress,
    kind,
    opaque: opaque !== null,
    text: trace === null ? spoken.text : `/* traceparent='00-${trace}-0000000000000001-01' */ ${spoken.text}`,
    ...(trace === null ? {} : { trace }),
    ...(effects.length === 1 ? effects[0] : { effects }),
    rows: failed ? 0 : rows,
    outcome: isBroken ? "error" : "ok",
  };
}
