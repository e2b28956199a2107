/**
 * Settings that change what later names or permissions mean. How a text is cut into words (`client_encoding`,
 * `standard_conforming_strings`) is asked of the target by the proxy after every change of settings.
 */
import type { Analysis } from "./env.ts";
import { thingUri } from "./uri.ts";

/** @param value null = reset, or not known */
export function changeOfSetting(name: string, value: string | null, analysis: Analysis): void {
  const { draft, catalog } = analysis;
  const key = name.toLowerCase();
  draft.changes.add("settings");
  if (key === "search_path") draft.changes.add("search_path");
  if (key === "role" || key === "session_authorization") {
    draft.changes.add("role");
    if (isRole(value)) draft.add("execute").write([thingUri(catalog.target, "pg_role", value)]);
  }
  if (key === "session_replication_role" || key.endsWith("_preload_libraries")) draft.darken(`the setting ${key}`);
}

function isRole(value: string | null): value is string {
  return value !== null && value !== "none" && value !== "default";
}
