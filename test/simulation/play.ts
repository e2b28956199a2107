/** One play: the processes of a plan, its clients, its bad luck; then everything heals, and what happened is judged. */
import { createCatalog } from "../../infra/catalog.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { Broker } from "./broker.ts";
import type { Bug } from "./bugs.ts";
import { check } from "./check.ts";
import { CorrelatorProcess } from "./correlator.ts";
import { Gateway, type Serving } from "./gateway.ts";
import { diceOf, Loop, Machine } from "./loop.ts";
import { Network } from "./network.ts";
import type { Outcome } from "./outcome.ts";
import { People } from "./people.ts";
import type { Act, Fault, Job, Plan, Statement } from "./plan.ts";
import { type Stage, topics } from "./process.ts";
import { type Ruling, randomRuling } from "./rules.ts";
import { type Around, ClientSession, type Doing } from "./session.ts";
import { type Brought, type Said, Target, type Told } from "./target.ts";
import { type Fact, Truth } from "./truth.ts";

export async function playOut(plan: Plan, bugs: readonly Bug[] = []): Promise<Outcome> {
  const play = new Play(plan, bugs);
  await play.run();
  return check(play.truth, play.rulings);
}

const healMs = 70_000;
const faultAgainMs = 400;

export class Play implements Around {
  readonly stage: Stage;
  readonly truth = new Truth();
  readonly target: Target;
  readonly rulings: readonly Ruling[];
  readonly #plan: Plan;
  readonly #loop = new Loop();
  readonly #broker: Machine;
  readonly #clients: Machine;
  readonly #gateways: readonly Gateway[];
  readonly #correlators: readonly CorrelatorProcess[];
  readonly #people: People;
  readonly #doing = new Map<string, Doing & { readonly identity: string }>();
  /** Command → when the target did it. */
  readonly #ran = new Map<string, number>();
  /** Session → when the last thing that was sent to the target in it arrives. */
  readonly #arrives = new Map<string, number>();
  #working = 0;
  #engines = 1;

  constructor(plan: Plan, bugs: readonly Bug[]) {
    this.#plan = plan;
    const { seed } = plan;
    const fault = (machine: Machine, error: unknown) => this.#died(machine, error);
    const machine = (name: string) => new Machine(name, this.#loop, fault);
    const network = new Network(seed);
    const ruling = randomRuling(diceOf(seed, "rules"));
    this.rulings = [ruling, ...ruling.others];
    this.#broker = machine("broker");
    this.#clients = machine("clients");
    this.#clients.start();
    const broker = new Broker(this.#broker, network, (topic, offset, { atMs, value }) =>
      this.truth.seen(topic === topics.steps ? "steps" : "events", offset, atMs, value, this.#loop.nowMs),
    );
    this.stage = { seed, broker, network, truth: this.truth, bugs: new Set(bugs) };
    const { tagsOf } = createCatalog(ruling.catalog);
    this.target = new Target(tagsOf, (session, told, by, news) => this.happened("lasted", session, told, by, news));
    const names = { g: list("g", plan.gateways), c: list("c", plan.correlators) };
    const sources = [
      ...names.g.map((name) => `gateway/${name}`),
      ...names.c.map((name) => `correlator/${name}`),
      ...[...names.g, ...names.c, "api"].map((name) => `log/${name}`),
      "api/api",
    ];
    const installed = { rules: ruling, engine: "1" };
    this.#gateways = names.g.map((name) => new Gateway(this.stage, machine(name), installed, sources));
    this.#correlators = names.c.map((name) => new CorrelatorProcess(this.stage, machine(name), "1", sources));
    this.#people = new People(this.stage, machine("api"), sources);
  }

  async run(): Promise<void> {
    const { acts, faults, seconds } = this.#plan;
    this.#broker.start();
    for (const one of [...this.#processes()]) one.start();
    for (const act of acts) this.#loop.at(act.atMs, () => this.#act(act));
    for (const fault of faults) this.#loop.at(fault.atMs, () => this.#befall(fault));
    const overMs = seconds * 1_000 + 12_000;
    const isOver = () => this.truth.breaches.some(({ promise }) => promise === 0);
    await this.#loop.run(overMs, isOver);
    this.#heal();
    await this.#loop.run(overMs + healMs, () => isOver() || (this.#loop.nowMs > overMs + 2_000 && this.#isQuiet()));
    for (const { machine, disk } of this.#processes())
      this.#expectAll(machine.name, disk.records.slice(0, disk.durable));
  }

  /** Everybody is done, and all that was said is where it must be. */
  #isQuiet(): boolean {
    const isThere = ({ source, stream, sequence }: Gateway["disk"]["records"][number]) =>
      this.truth.has(source, stream, sequence);
    return this.#working === 0 && this.#processes().every(({ disk }) => disk.records.every(isThere));
  }

  #processes(): readonly (Gateway | CorrelatorProcess | People)[] {
    return [...this.#gateways, ...this.#correlators, this.#people];
  }

  #expectAll(name: string, records: Gateway["disk"]["records"]): void {
    const lost = records.filter(({ source, stream, sequence }) => !this.truth.has(source, stream, sequence));
    if (lost.length > 0) this.truth.breach(4, `${lost.length} records of ${name} never reached the shared log`);
  }

  /** A bug ends a process; an error that the product has a name for is one as well, here: nothing was planned to fail. */
  #died(machine: Machine, error: unknown): void {
    const what =
      error instanceof ThroughlineError ? `${error.code}: ${error.message}` : String((error as Error)?.stack);
    this.truth.breach(0, `${machine.name} died: ${what}`);
  }

  #heal(): void {
    const { network, broker } = this.stage;
    network.heal();
    broker.slowMs = 0;
    if (!this.#broker.up) this.#broker.start();
    for (const one of this.#processes()) {
      one.disk.slowMs = 0;
      one.machine.pausedUntilMs = 0;
      if (!one.machine.up) one.start();
    }
  }

  #act(act: Act): void {
    if (act.kind !== "job") this.#people.do(act);
    else
      for (const [index, gateway] of act.gateways.entries())
        this.#loop.at(this.#loop.nowMs + index * act.apartMs, () => this.#begin(act, this.#gateways[gateway]!));
  }

  #begin(job: Job, gateway: Gateway): void {
    this.#working += 1;
    this.#clients.go(() =>
      this.#work(job, gateway).finally(() => {
        this.#working -= 1;
      }),
    );
  }

  async #work(job: Job, gateway: Gateway): Promise<void> {
    const clients = this.#clients;
    let issued = this.#people.issue(job);
    for (; issued === null; issued = this.#people.issue(job)) {
      if (this.#loop.nowMs > this.#plan.seconds * 1_000 + 12_000) return;
      await clients.sleep(500);
    }
    const { grant } = issued;
    let session: ClientSession | null = null;
    for (let attempt = 0; session === null && attempt < 40; attempt += 1) {
      await clients.sleep(attempt === 0 ? 30 : 400);
      const { serving } = gateway;
      if (serving === null) continue;
      session = await this.#call(gateway, serving, () => ClientSession.open(this, gateway, serving, grant)).catch(none);
    }
    if (session === null) return;
    const open = session;
    for (const statement of job.statements) {
      await clients.sleep(statement.thinkMs);
      const result = await this.#call(gateway, open.serving, () => open.command(statement)).catch(
        () => "lost" as const,
      );
      if (result === "lost") return this.hangUp(open.session.id);
      if (result !== "ok" && open.inTransaction)
        await this.#call(gateway, open.serving, () => open.command(rollback)).catch(none);
      if (result !== "ok" && job.statements.length > 1) break;
    }
    await this.#call(gateway, open.serving, async () => open.close()).catch(none);
  }

  /** From a client to the run of a gateway that it is connected to, and back. Rejects when the connection is lost. */
  #call<T>(gateway: Gateway, serving: Serving, work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const lost = () => reject(new Lost());
      if (gateway.serving !== serving) return lost();
      gateway.lost.add(lost);
      const back = (call: () => void) => gateway.machine.after(1, () => gateway.lost.delete(lost) && call());
      gateway.machine.after(1, () => {
        if (gateway.serving !== serving) return lost();
        gateway.machine.go(() =>
          work().then(
            (value) => void back(() => this.#clients.after(1, () => resolve(value))),
            (error) => void back(() => this.#clients.after(1, () => reject(error))),
          ),
        );
      });
    });
  }

  begins(session: string, command: string, doing: Doing): void {
    this.#doing.set(`${session} ${command}`, doing);
  }

  /** From a gateway to the target and back; what has been sent happens. */
  tell(machine: Machine, session: string, told: Told): Promise<Said> {
    const dice = this.stage.network.dice("target");
    return new Promise((resolve) => {
      const atMs = this.#loop.nowMs + 1 + dice(dice(10) === 0 ? 200 : 6);
      this.#arrives.set(session, atMs);
      this.#loop.at(atMs, () => {
        this.#ran.set(told.command, this.#loop.nowMs);
        const said = this.target.execute(session, told);
        machine.after(1 + dice(5), () => resolve(said));
      });
    });
  }

  /** The end of a connection comes behind everything that was sent in it. */
  hangUp(session: string): void {
    const atMs = Math.max(this.#loop.nowMs, this.#arrives.get(session) ?? 0);
    this.#loop.at(atMs, () => this.target.drop(session));
  }

  /** @param news tagged data that comes to places where none was */
  happened(
    kind: Fact["kind"],
    session: string,
    { command, effects }: Told,
    by: string,
    news: readonly Brought[],
  ): void {
    const doing = this.#doing.get(`${session} ${command}`);
    // What only reads lasts nowhere.
    if (doing === undefined || (kind === "lasted" && effects.every(({ operation }) => operation === "read"))) return;
    // A COMMIT has its own effects, and its record its own place: a read that it does not repeat is no effect of it.
    const needs = (one: string) => this.#doing.get(`${session} ${one}`)?.needs ?? doing.needs;
    const of = this.#gateways.find(({ machine }) => machine.name === doing.gateway)!;
    const isThere = (one: string) => (needs(one) === "shared" ? this.truth.isShared(one) : isDurable(of, one));
    const missing = [...new Set([command, by])].filter((one) => !isThere(one));
    const ranMs = kind === "shown" ? (this.#ran.get(command) ?? this.#loop.nowMs) : this.#loop.nowMs;
    const unaware = this.#able().flatMap(({ machine, serving }) =>
      news
        .filter(({ place, tags }) => !tags.every((tag) => serving.feed.tags.of(place).includes(tag)))
        .map(({ place }) => `${machine.name} knew that ${place} gets tagged data`),
    );
    const cutOff = of.serving?.isFresh === false;
    const known = { missing, unaware, cutOff };
    this.truth.facts.push({ kind, atMs: this.#loop.nowMs, command, by, effects, ranMs, ...known, ...doing });
  }

  /** Gateways that serve, are awake, and know the log well enough to decide about what is tagged. */
  #able(): readonly { readonly machine: Machine; readonly serving: Serving }[] {
    return this.#gateways.flatMap(({ serving, machine }) => {
      const isAble = serving !== null && machine.pausedUntilMs <= this.#loop.nowMs;
      return isAble && serving.isFresh ? [{ machine, serving }] : [];
    });
  }

  #befall(fault: Fault): void {
    const { network, broker } = this.stage;
    const { nowMs } = this.#loop;
    const { who } = fault;
    const process = this.#processes().find(({ machine }) => machine.name === who);
    const machine = process?.machine ?? this.#broker;
    if (fault.kind === "new rules") this.#newRules();
    else if (fault.kind === "new engine") this.#newEngine();
    else if (fault.kind === "crash") this.#crash(process ?? null, fault.forMs);
    else if (fault.kind === "pause") machine.pausedUntilMs = Math.max(machine.pausedUntilMs, nowMs + fault.forMs);
    else if (fault.kind === "cut") network.cut(who, nowMs + fault.forMs);
    else if (fault.kind === "mute") network.mute(who, nowMs + fault.forMs);
    else if (fault.kind === "lag") network.lag(who, nowMs + fault.forMs, fault.byMs);
    else if (fault.kind === "clock") machine.offsetMs += fault.byMs;
    else {
      const disk = process?.disk ?? broker;
      disk.slowMs = fault.byMs;
      this.#loop.at(nowMs + fault.forMs, () => {
        disk.slowMs = 0;
      });
    }
  }

  #crash(process: Gateway | CorrelatorProcess | People | null, forMs: number): void {
    if (process === null) {
      this.stage.broker.crash();
      this.#loop.at(this.#loop.nowMs + forMs, () => this.#broker.up || this.#broker.start());
      return;
    }
    if (!process.machine.up) return;
    process.crash();
    this.#loop.at(this.#loop.nowMs + forMs, () => process.machine.up || process.start());
  }

  /** Put on every machine at once; each gateway starts again with them in its turn. */
  #newRules(): void {
    const next = this.rulings[1]!;
    for (const [index, gateway] of this.#gateways.entries()) {
      gateway.installed.rules = next;
      this.#loop.at(this.#loop.nowMs + 500 + index * 9_000, () => this.#crash(gateway, faultAgainMs));
    }
  }

  /** Correlators first, so that somebody can answer when the first gateway says that the new one speaks. */
  #newEngine(): void {
    this.#engines += 1;
    const engine = String(this.#engines);
    const all = [...this.#correlators, ...this.#gateways];
    for (const [index, process] of all.entries())
      this.#loop.at(this.#loop.nowMs + index * 1_500, () => {
        if (process instanceof Gateway) process.installed.engine = engine;
        else process.engine = engine;
        this.#crash(process, faultAgainMs);
      });
  }
}

/** The connection is gone, or nobody was let in. */
class Lost extends Error {}

function none(error: unknown): null {
  if (error instanceof Lost || (error instanceof ThroughlineError && error.code.startsWith("login."))) return null;
  throw error;
}

const rollback: Statement = {
  text: "rollback",
  effects: [],
  opaque: false,
  kind: "rollback",
  fails: false,
  thinkMs: 0,
};
const list = (letter: string, count: number) => Array.from({ length: count }, (_, index) => `${letter}${index}`);

/** Whether the gateway's own disk has the decision of this command. */
function isDurable({ disk }: Gateway, command: string): boolean {
  return disk.records
    .slice(0, disk.durable)
    .some((record) => record.type === "command.decided" && record.envelope.command === command);
}
