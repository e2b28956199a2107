/** Gateways and correlators of one tenant in this process, over brokers in memory or any other bus. */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openBlobs } from "../../infra/blobs/blobs-folder.ts";
import { openKeys } from "../../infra/keys/keys-folder.ts";
import type { Bus } from "../../infra/log/bus.ts";
import type { Appender } from "../../infra/log/log.ts";
import type { SharedLog } from "../../infra/log/shared-log.ts";
import { loadPolicy } from "../../infra/policy/cedar.ts";
import { loadRules } from "../../infra/rules/load.ts";
import type { Reading } from "../../schemas/command.ts";
import type { Config } from "../../schemas/config.ts";
import type { ClientCertificate } from "../../schemas/event-data.ts";
import type { Grant, GrantId, Identity, TaskId } from "../../schemas/identity.ts";
import { limits } from "../../schemas/limits.ts";
import { chainRules } from "../../services/gateway/chain.ts";
import { Feed } from "../../services/gateway/feed.ts";
import { createGate, type GateParts, type Judgement, type RunningGate } from "../../services/gateway/gate.ts";
import { Definitions } from "../../services/gateway/postgres/definitions.ts";
import type { Session } from "../../services/gateway/session.ts";
import { openSession } from "../../services/gateway/sessions.ts";
import { correlate } from "../../services/main-correlator.ts";
import { followSharedLog, type GatewayLog } from "../../services/main-gateway-log.ts";
import type { PolicyFiles } from "../../services/main-policy.ts";
import type { Surroundings } from "../../services/main-surroundings.ts";
import { type Machine, type SharedWorld, sharedWorld } from "../log/shared-world.ts";
import { catalog, command, tenant } from "./world.ts";

export const policyText = `permit (principal, action, resource) unless { action == Action::"reveal" };`;
const rule = `title: Read, copied, destroyed by different accounts
name: read_copy_destroy
level: critical
correlation:
  type: temporal_ordered
  rules: [pii_read, pii_transform, destructive]
  timespan: 24h
x-chain:
  mode: enforce
  links:
    - { from: pii_read, to: pii_transform, by: [lineage] }
    - { from: pii_transform, to: destructive, by: [flow, lineage] }
  distinct: { field: account, min: 2 }
  gate: { action: hold, approvers: [owners], escalate: [security], wait: 15m, unavailable: hold }
`;

export interface Gateway {
  readonly name: string;
  readonly folder: string;
  readonly shared: SharedLog;
  readonly log: GatewayLog;
  readonly feed: Feed;
  readonly gate: RunningGate;
  readonly definitions: Definitions;
  readonly outdated: string[];
  session(grant: string, certificate?: ClientCertificate): Promise<Session>;
  judge(session: Session, text: string, what: Reading): Promise<Judgement>;
  /** Resolves when the record of the judgement has reached what it must. */
  reached(session: Session, judgement: Judgement): Promise<void>;
  finish(session: Session, judgement: Judgement): void;
  /** Stops as the process does; the same name opens again on the same folder. */
  close(): Promise<void>;
}

export interface Many {
  readonly world: SharedWorld;
  /** Its records are durable when they are shared. */
  readonly api: Appender;
  /** @param digest of the files that it is given */
  gateway(name: string, bus: Bus, digest?: string): Promise<Gateway>;
  /** The same name goes on in the same folder. */
  correlator(name: string, bus: Bus): Promise<{ readonly folder: string; stop(): Promise<void> }>;
  /** Says `grant.issued` as the api does. @returns its id */
  grant(identity: Identity, account: string): string;
  approve(gateway: Gateway, judgement: Judgement, by: Identity): Promise<void>;
  end(): Promise<void>;
}

export async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** @param apiBus of a process that issues grants and answers approvals */
export async function many(names: readonly string[], apiBus: Bus, parts: Partial<GateParts> = {}): Promise<Many> {
  const world = sharedWorld(["api", ...names], tenant);
  const api = await world.share(world.machine("api"), apiBus);
  const speaker = await api.sharedAppender("api", "api");
  const keys = await openKeys(world.machine("keys").folder);
  const files = await filesOf();
  const machines = new Map<string, Machine>();
  const around: Surroundings = {
    version: "test",
    now: Date.now,
    newId: randomUUID,
    fatal: (error) => world.fatal.push(error),
    fault: (error) => world.faults.push(error),
  };

  async function gateway(name: string, bus: Bus, digest = files.digest): Promise<Gateway> {
    const machine = machines.get(name) ?? world.machine(name);
    machines.set(name, machine);
    const shared = await world.share(machine, bus);
    const feed = new Feed(tenant, catalog);
    const definitions = new Definitions(500);
    const outdated: string[] = [];
    const readers = { definitionsOf: () => definitions, outdate: (target: string) => outdated.push(target) };
    // Of the configuration only these are read.
    const config = { name, data: machine.folder, targets: [{ name: "orders" }] } as unknown as Config;
    const log = await followSharedLog(shared, { config, files: { ...files, digest }, feed, readers, around });
    world.defer(() => log.close().catch(() => {}));
    const beat = setInterval(() => log.tick(), 1_000);
    world.defer(() => clearInterval(beat));
    const gate = await gateOf(machine.folder, log, feed);
    const session = async (grant: string, certificate?: ClientCertificate): Promise<Session> => {
      await until(() => feed.grants.find(grant) !== null);
      const found = feed.grants.find(grant)?.grant as Grant;
      const client = { wire: "postgres" as const, clientAddress: "127.0.0.1:1", application: "psql", tls: false };
      const facts = certificate === undefined ? client : { ...client, certificate };
      const about = { appender: log.appender, keys, grants: feed.grants, newId: randomUUID, now: Date.now };
      return openSession({ ...about, roleOf: () => found.account, commandsOf: gate.commandsOf }, found, facts);
    };
    const close = async () => {
      clearInterval(beat);
      await log.close();
      await shared.close();
    };
    return {
      ...{ name, folder: machine.folder, shared, log, feed, gate, definitions, outdated, session, close },
      judge: async (of, text, what) =>
        gate.judge(of, command(of, text, what, { id: randomUUID() as never }), [], false),
      async reached(of, { ticket }) {
        if (gate.isDurable(of, ticket)) return;
        const { promise, resolve } = Promise.withResolvers<void>();
        const stop = gate.onDurable(() => gate.isDurable(of, ticket) && resolve());
        await promise;
        stop();
      },
      finish(of, judgement) {
        const lasted = judgement.command.reading.effects.some(({ operation }) => operation !== "read");
        gate.finished(of, judgement, {
          ...{ outcome: "ok", rows: 1, bytes: 1, tag: "", code: null, durationUs: 1, shown: true, undone: [] },
          lasted: lasted ? [judgement.command.id] : [],
        });
      },
    };
  }

  async function gateOf(folder: string, log: GatewayLog, feed: Feed): Promise<RunningGate> {
    const rules = chainRules(files.rules);
    return createGate({
      shared: log.shared,
      appender: log.appender,
      feed,
      policy: () => files.policy,
      rules: () => rules,
      readerOf: () => null,
      blobs: openBlobs(folder),
      tenantKey: await keys.tenantKey(tenant),
      targetOf: () => ({ opaque: "hold", mode: "enforce" }),
      holds: { mode: "retry", waitMs: 60_000, approvers: ["owners"] },
      addressOf: (approval) => approval,
      newId: randomUUID,
      now: Date.now,
      after(ms, call) {
        const timer = setTimeout(call, ms);
        timer.unref();
        return () => clearTimeout(timer);
      },
      limits,
      ...parts,
    });
  }

  return {
    world,
    api: speaker,
    gateway,
    async correlator(name, bus) {
      const machine = machines.get(name) ?? world.machine(name);
      machines.set(name, machine);
      const shared = await world.share(machine, bus);
      const file = { file: join(machine.folder, "correlator"), version: "test", topic: shared.topics.steps };
      const running = await correlate(shared, name, around, file);
      const stop = async () => {
        await running.close("test").catch(() => {});
        await shared.close().catch(() => {});
      };
      world.defer(stop);
      return { folder: machine.folder, stop };
    },
    grant(identity, account) {
      const grant = randomUUID() as GrantId;
      const task = { id: "nightly" as TaskId, justification: "j" };
      const times = { issuedAtMs: Date.now(), expiresAtMs: Date.now() + 600_000 };
      const data = { grant, identity, account, target: "orders", task, ...times };
      speaker.append({ type: "grant.issued", subject: {}, data });
      return grant;
    },
    async approve({ feed }, judgement, by) {
      const approval = judgement.held?.approval ?? "";
      await until(() => feed.approvals.get(approval) !== null);
      const asked = feed.approvals.get(approval)!;
      const who = { by: by.key, byName: by.name, kind: by.kind, groups: [...by.groups], reason: "seen" };
      const data = { approval, binding: asked.binding, answer: "approve" as const, ...who };
      await speaker.synced(speaker.append({ type: "approval.answered", subject: { identity: by.key }, data }));
    },
    async end() {
      await world.end();
      await keys.close();
    },
  };
}

async function filesOf(): Promise<PolicyFiles> {
  const steps = await readFile(new URL("../../schemas/rules/steps.yml", import.meta.url), "utf8");
  const texts = { "rules/steps.yml": steps, "rules/chain.yml": rule };
  const rules = loadRules(Object.entries(texts).map(([name, text]) => ({ name, text })));
  const policy = loadPolicy({ text: policyText, file: "policy.cedar", catalog: catalog.version });
  const yaml = JSON.stringify(catalog.entries);
  return { catalog, policy, rules, pipelines: [], texts: { ...texts, "catalog.yaml": yaml }, digest: "d" };
}
