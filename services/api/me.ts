/** Who asks, and what a client must know before it can ask anything. */
import { type Me, type Meta, meSchema } from "../../schemas/api.ts";
import type { Config } from "../../schemas/config.ts";
import type { Desk } from "./desk.ts";
import { type Route, route } from "./route.ts";

export function meRoutes(desk: Desk): Route[] {
  return [
    route("GET /api/me", "Who I am and what I may do", { answer: meSchema }, async ({ caller }): Promise<Me> => {
      const { key, kind, name, groups, onBehalfOf } = caller.identity;
      return {
        identity: { key, kind, name, groups: [...groups], onBehalfOf: [...onBehalfOf] },
        roles: desk.permits.rolesOf(caller.identity, caller.address),
        session: caller.by === "cookie" ? { expiresAtMs: caller.expiresAtMs } : null,
      };
    }),
  ];
}

export function metaOf(config: Config, version: string): Meta {
  const { issuer, clientId, audience } = config.identity;
  return {
    name: config.name,
    tenant: config.tenant,
    version,
    issuer,
    clientId,
    audience,
    url: config.api.url,
    gateway: gatewayOf(config),
  };
}

/** A gateway that listens everywhere is reached where the console is. */
export function gatewayOf({ gateway, api }: Pick<Config, "gateway" | "api">): Meta["gateway"] {
  const at = gateway.postgres.lastIndexOf(":");
  const host = gateway.postgres.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  const everywhere = ["0.0.0.0", "::", "*"].includes(host);
  return {
    host: everywhere ? new URL(api.url).hostname : host,
    port: Number(gateway.postgres.slice(at + 1)),
    requireTls: gateway.requireTls,
  };
}
