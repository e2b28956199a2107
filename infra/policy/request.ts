/**
 * One question to the policy in Cedar's JSON: who, what, on which resource inside which others, under which
 * circumstances. Everything the schema names is always there, so that no policy can err over what was left out.
 */
import { isIP } from "node:net";
import type { Identity } from "../../schemas/identity.ts";
import { containersOf, withAncestors } from "../catalog.ts";
import type { PolicyAction, PolicyContext } from "./policy.ts";

const productActions: readonly PolicyAction[] = ["investigate", "approve", "respond", "export", "administer"];

export interface Uid {
  readonly type: string;
  readonly id: string;
}

type Value = string | boolean | string[] | { __extn: { fn: string; arg: string } };

export interface CedarRequest {
  readonly principal: Uid;
  readonly action: Uid;
  readonly resource: Uid;
  readonly context: Record<string, Value>;
  readonly entities: { uid: Uid; attrs: Record<string, Value>; parents: Uid[] }[];
}

/** @param plainTags tags of the resource, with or without their ancestors */
export function requestOf(
  identity: Identity,
  action: PolicyAction,
  resource: string,
  plainTags: readonly string[],
  context: PolicyContext,
): CedarRequest {
  const tags = [...withAncestors(plainTags)];
  const bar = identity.key.indexOf("|");
  const principal = { type: "Identity", id: identity.key };
  const about = entityOf(action, resource);
  const address = addressOf(context.clientAddress);
  const attrs: Record<string, Value> =
    about.type === "Product" ? { tags: [] } : { [about.type === "Target" ? "name" : "uri"]: resource, tags };
  return {
    principal,
    action: { type: "Action", id: action },
    resource: about,
    context: {
      account: context.account,
      task: context.task,
      time: { __extn: { fn: "datetime", arg: `${new Date(context.minute * 60_000).toISOString().slice(0, 19)}Z` } },
      approvals: [...context.approvals],
      opaque: context.opaque,
      ...(address === null ? {} : { clientAddress: { __extn: { fn: "ip", arg: address } } }),
    },
    entities: [
      {
        uid: principal,
        attrs: {
          kind: identity.kind,
          name: identity.name,
          issuer: identity.key.slice(0, Math.max(0, bar)),
          subject: identity.key.slice(bar + 1),
          onBehalfOf: [...identity.onBehalfOf],
        },
        parents: identity.groups.map((group) => ({ type: "Group", id: group })),
      },
      { uid: about, attrs, parents: parentsOf(about, tags) },
    ],
  };
}

function entityOf(action: PolicyAction, resource: string): Uid {
  if (productActions.includes(action)) return { type: "Product", id: resource };
  return { type: resource.includes("/") ? "Resource" : "Target", id: resource };
}

function parentsOf(about: Uid, tags: readonly string[]): Uid[] {
  if (about.type === "Product") return [];
  const containers = about.type === "Resource" ? containersOf(about.id) : [];
  return [
    ...containers.map((uri) => ({ type: uri.includes("/") ? "Resource" : "Target", id: uri })),
    ...tags.map((tag) => ({ type: "Tag", id: tag })),
  ];
}

/** @returns the IP address in `host:port`, `[host]:port` or `host`; null when it is no IP address (a unix socket). */
function addressOf(clientAddress: string): string | null {
  if (isIP(clientAddress) !== 0) return clientAddress;
  const host = clientAddress.slice(0, clientAddress.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
  return isIP(host) === 0 ? null : host;
}
