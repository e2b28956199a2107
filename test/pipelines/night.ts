/** A nightly pipeline of three steps, the rule that it would break, and a night to play them in. */
import { stringify } from "yaml";
import type { PipelineText } from "../../schemas/pipeline.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import { type Played, play } from "../correlator/play.ts";

export const report: PipelineText = {
  name: "nightly-report",
  owner: "data-team",
  steps: [
    {
      identity: "svc-report",
      account: "report",
      operation: "read",
      fingerprint: "aaaa",
      reads: ["orders/public.customers"],
      rows: { max: 1000 },
    },
    {
      identity: "svc-report",
      account: "report",
      operation: "transform",
      fingerprint: "bbbb",
      reads: ["orders/public.customers"],
      writes: ["orders/public.report"],
      rows: { max: 1000 },
    },
    {
      identity: "svc-clean",
      account: "clean",
      operation: "delete",
      fingerprint: "cccc",
      writes: ["orders/public.report"],
      rows: { max: 1000 },
    },
  ],
  window: { cron: "0 2 * * *", for: "2h" },
  longest: "1h",
  addresses: ["10.2.0.0/16"],
};

export const rule = (unless = "unless: { pipeline: nightly-report }") => `title: A chain
name: chain
correlation:
  type: temporal_ordered
  rules: [pii_read, pii_transform, destructive]
  timespan: 24h
x-chain:
  links:
    - { from: pii_read, to: pii_transform, by: [lineage, actor, task] }
    - { from: pii_transform, to: destructive, by: [flow, lineage] }
  distinct: { field: account, min: 2 }
  ${unless}
  gate: { action: hold, approvers: [data-owners] }
`;

const here = "address=10.2.3.4";

/** The declared commands; each may say more or otherwise behind. */
export const extract = (at: string, more = "") =>
  line(`${at} report read orders/public.customers`, `identity=svc-report fingerprint=aaaa rows=500 ${here} ${more}`);
export const copy = (at: string, more = "") =>
  line(
    `${at} report transform orders/public.customers -> orders/public.report`,
    `identity=svc-report fingerprint=bbbb rows=500 ${here} ${more}`,
  );
export const clean = (at: string, more = "") =>
  line(`${at} clean delete orders/public.report`, `identity=svc-clean fingerprint=cccc ${here} ${more}`);

/** Of a key that is said twice, what is said last. */
function line(does: string, keys: string): string {
  const last = new Map(
    keys
      .trim()
      .split(/\s+/)
      .map((key) => [key.split("=")[0], key]),
  );
  return [does, ...last.values()].join(" ");
}

/** A correlator with the rule and these pipelines in force since midnight. */
export function night(pipelines: readonly PipelineText[] = [report], text = rule()): Played {
  const played = play(text);
  const files = Object.fromEntries(
    played.entries.flatMap((entry) => (entry.type === "policy.changed" ? Object.entries(entry.data.files) : [])),
  );
  const data = { digest: "2", engine: engineVersion, files: { ...files, "pipelines.yaml": stringify(pipelines) } };
  const about = { id: "policy-2", atMs: Date.UTC(2026, 0, 1), source: "gateway/rehearsal", role: "gateway" as const };
  played.fold({ ...about, type: "policy.changed", subject: {}, data });
  if (played.correlator.problem !== null) throw new Error(played.correlator.problem);
  return played;
}
