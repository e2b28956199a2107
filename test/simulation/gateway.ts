/**
 * A gateway process: the product's gate, feed and view of the others, wired as services/main-gateway-log.ts wires them,
 * over a simulated spool and brokers. Its clients' commands go through session.ts.
 */
import { createHash } from "node:crypto";
import { createCatalog } from "../../infra/catalog.ts";
import type { Entry } from "../../infra/log/entry.ts";
import type { Appender } from "../../infra/log/log.ts";
import type { SourceAppender } from "../../infra/log/source-appender.ts";
import { stepsPlace } from "../../infra/log/steps-follow.ts";
import { loadPolicy } from "../../infra/policy/cedar.ts";
import type { Policy } from "../../infra/policy/policy.ts";
import type { ResourceUri } from "../../schemas/command.ts";
import type { Tenant } from "../../schemas/identity.ts";
import { limits as productLimits } from "../../schemas/limits.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import type { ChainRules } from "../../services/gateway/chain.ts";
import { withBefore } from "../../services/gateway/chain-before.ts";
import { Feed } from "../../services/gateway/feed.ts";
import { createGate, type RunningGate } from "../../services/gateway/gate.ts";
import { SharedView } from "../../services/gateway/shared-view.ts";
import { Answering } from "../../services/main-policy-answering.ts";
import type { Machine } from "./loop.ts";
import { keysOf, Run, type Stage, tenant } from "./process.ts";
import type { Ruling } from "./rules.ts";
import { Disk } from "./spool.ts";

export const limits = { ...productLimits, approvalMsMax: 20_000, digestRecordsEvery: 20 };
export const targetName = "t";
const tickMs = 1_000;
const policyText = `@id("work") permit (principal, action, resource in Target::"t");`;

/** What its disk holds beside the spool: the policy it starts with, and which engine it brings. */
export interface Installed {
  rules: Ruling;
  engine: string;
}

export class Gateway {
  readonly machine: Machine;
  readonly disk = new Disk();
  readonly installed: Installed;
  readonly #stage: Stage;
  readonly #sources: readonly string[];
  /** Null while it is down, or does not let anybody in yet. */
  serving: Serving | null = null;
  /** Ends of what clients wait for. */
  readonly lost = new Set<() => void>();

  constructor(stage: Stage, machine: Machine, installed: Installed, sources: readonly string[]) {
    this.#stage = stage;
    this.machine = machine;
    this.installed = { ...installed };
    this.#sources = sources;
  }

  start(): void {
    this.machine.start();
    this.machine.go(async () => {
      const serving = new Serving(this.#stage, this.machine, this.disk, this.installed, this.#sources);
      await serving.start();
      this.serving = serving;
    });
  }

  crash(): void {
    this.machine.stop();
    this.disk.crash(this.#stage.network.dice(`crashes of ${this.machine.name}`));
    this.serving = null;
    for (const lost of [...this.lost]) lost();
    this.lost.clear();
  }
}

/** One run of a gateway. */
export class Serving {
  readonly stage: Stage;
  readonly machine: Machine;
  readonly run: Run;
  readonly appender: SourceAppender;
  readonly feed: Feed;
  readonly view: SharedView;
  /** The rules it judges by. */
  rules: Ruling;
  gate: RunningGate;
  readonly #installed: Installed;
  readonly #sources: readonly string[];
  readonly #answering = new Answering();
  #asks: { readonly policies: Answering["policies"]; readonly rules: Ruling; readonly chain: ChainRules } | null = null;
  #inForce: { readonly digest: string; readonly engine: string } | null = null;
  #beating = false;
  #soon = false;
  #count = 0;

  constructor(stage: Stage, machine: Machine, disk: Disk, installed: Installed, sources: readonly string[]) {
    this.stage = stage;
    this.machine = machine;
    this.#installed = installed;
    this.#sources = sources;
    this.rules = installed.rules;
    this.run = new Run(stage, machine, disk);
    this.appender = this.run.spool.open("gateway", machine.name);
    this.feed = new Feed(tenant as Tenant, createCatalog(installed.rules.catalog));
    this.view = this.#view();
    this.gate = this.#gate();
  }

  readonly newId = (): string => {
    this.#count += 1;
    return `${this.machine.name}-${this.machine.run}-${this.#count}`;
  };

  /** Whether what it knows is new enough to decide about what is tagged. */
  get isFresh(): boolean {
    return this.view.staleMs() <= limits.feedStaleMsMax;
  }

  async start(): Promise<void> {
    const known = new Map(this.#sources.map((source) => [source, keysOf(source).source]));
    const following = this.run.follow(known, (entries, offset) => this.#fold(entries, stepsPlace(offset)));
    await this.run.shipped();
    await following.caughtUp();
    // A gate hears of answers only what comes after it was made.
    this.gate = this.#gate();
    const data = { role: "gateway", version: "", positions: {} };
    this.appender.append({ type: "service.started", subject: {}, data });
    const { rules, engine } = this.#installed;
    if (this.#inForce?.digest !== rules.digest || this.#inForce.engine !== engine) this.#propose(rules, engine);
    this.#beating = true;
    this.beat();
    while (this.view.staleMs() > limits.feedStaleMsMax) await this.machine.sleep(5);
    this.machine.every(tickMs, () => {
      this.beat();
      this.gate.tick();
    });
  }

  #propose({ digest, files }: Ruling, engine: string): void {
    this.appender.append({ type: "policy.changed", subject: {}, data: { digest, engine, files } });
  }

  #fold(entries: readonly Entry[], place: string): void {
    let news = false;
    for (const entry of entries) {
      this.#answering.fold(entry, entry.type === "policy.changed" ? { ...entry.data, engine: engineVersion } : null);
      if (entry.type === "policy.changed") this.#takeOver(entry.data);
      this.feed.fold(entry);
      this.view.fold(entry, place);
      news ||= newsTypes.has(entry.type);
    }
    this.view.changed();
    if (news) this.#beatSoon();
  }

  #takeOver(data: { readonly digest: string; readonly engine: string }): void {
    this.#inForce = data;
    const { rules } = this.#installed;
    const found = [rules, ...rules.others].find((one) => one.digest === data.digest);
    if (found !== undefined && !this.stage.bugs.has("old-rules")) this.rules = found;
  }

  /** What must ask, by the rules that it knows and by those before, which may still be answered by. */
  #chain(): ChainRules {
    const { policies } = this.#answering;
    const { rules } = this;
    if (this.#asks?.policies === policies && this.#asks.rules === rules) return this.#asks.chain;
    const known = [this.#installed.rules, ...this.#installed.rules.others];
    const before = policies
      .slice(0, -1)
      .flatMap(({ whole }) => known.find(({ digest }) => digest === whole.digest) ?? []);
    const chain = withBefore(
      rules.chain,
      before.map((one) => ({ rules: one.chain, tagsOf: createCatalog(one.catalog).tagsOf })),
    );
    this.#asks = { policies, rules, chain };
    return chain;
  }

  #beatSoon(): void {
    if (this.#soon) return;
    this.#soon = true;
    this.machine.after(0, () => {
      this.#soon = false;
      this.beat();
    });
  }

  beat(): void {
    if (!this.#beating) return;
    const id = this.appender.nextId("steps");
    const data = { upTo: this.view.place, targets: [targetName] };
    this.appender.append({ type: "gateway.followed", subject: {}, data });
    this.view.beats(id);
  }

  #view(): SharedView {
    const { source } = this.appender;
    const lane = this.run.spool.lanesOf(source).steps;
    const acknowledged = this.run.shipper.acknowledged(source);
    const view = new SharedView({
      source,
      said: () => lane.sequence,
      acknowledged: () => acknowledged.steps,
      now: this.machine.now,
      steady: this.machine.steady,
      goneMs: limits.feedStaleMsMax + limits.gatewayGoneMarginMs,
    });
    this.run.shipper.onAcknowledged(() => view.changed());
    return view;
  }

  #gate(): RunningGate {
    const { bugs } = this.stage;
    const view = this.view;
    const shared = bugs.has("ignores-staleness") ? neverStale(view) : view;
    if (bugs.has("tags-unawaited")) Object.assign(shared, { travelling: () => () => true });
    return createGate({
      appender: bugs.has("uses-at-once") ? usingAtOnce(this.appender, this.feed) : this.appender,
      feed: this.feed,
      policy: () => policyOf(this.rules.catalogVersion),
      rules: () => this.#chain(),
      readerOf: () => ({ resources: () => ["t/s.a"] as ResourceUri[], canRead: () => true }),
      blobs: {
        put: async (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`,
        get: () => Promise.reject(new Error("unused")),
        has: async () => false,
      },
      tenantKey: Buffer.alloc(32, 7),
      targetOf: () => ({ opaque: "allow", mode: "enforce" }),
      holds: { mode: "wait", waitMs: 30_000, approvers: ["owners"] },
      addressOf: (approval) => approval,
      newId: this.newId,
      now: this.machine.now,
      after: this.machine.after,
      limits,
      shared,
    });
  }
}

/** As main-gateway-log.ts: what others wait to hear is known. */
const newsTypes: ReadonlySet<string> = new Set(["resource.tagged", "block.placed", "block.lifted", "policy.changed"]);

/** The planted bug of a gateway that never looks how old its feed is. */
function neverStale(view: SharedView): SharedView {
  return Object.assign(view, { staleMs: () => 0 });
}

/** The planted bug of a gateway that takes its own use of an approval for the first, before the log has said so. */
function usingAtOnce(appender: Appender, feed: Feed): Appender {
  let last: string | null = null;
  Object.assign(feed.approvals, { usedBy: () => last });
  return {
    source: appender.source,
    role: appender.role,
    append(draft) {
      if (draft.type === "approval.used") last = appender.nextId("steps");
      return appender.append(draft);
    },
    appendRaw: (draft) => appender.appendRaw(draft),
    nextId: (stream) => appender.nextId(stream),
    get durable() {
      return appender.durable;
    },
    onDurable: (listener) => appender.onDurable(listener),
    synced: (ticket) => appender.synced(ticket),
  };
}

const policies = new Map<string, Policy>();
function policyOf(catalog: string): Policy {
  const known = policies.get(catalog) ?? loadPolicy({ text: policyText, file: "policy.cedar", catalog });
  policies.set(catalog, known);
  return known;
}
