/** `throughline links`: which identities belong together, by whose word, what rests on it; to say one and to reject one. */
import {
  type LinkEffect,
  type LinkInfo,
  linkEffectSchema,
  linkInfoSchema,
  linksSchema,
} from "../../schemas/link-shapes.ts";
import { sayerWords } from "../../schemas/links.ts";
import { type Context, done, tell } from "./context.ts";
import { facts, localTime, paint, table, wrapped } from "./paint.ts";
import type { Terminal } from "./parts.ts";

const pathOf = (id: string): string => `/api/links/${encodeURIComponent(id)}`;
const namesOf = ({ identities }: LinkInfo): string => identities.map(({ name }) => name).join(" = ");

export async function listLinks(context: Context, identity: string | undefined): Promise<void> {
  const api = await context.api();
  const { links } = await api.read(linksSchema, "/api/links", identity === undefined ? {} : { identity });
  const { terminal } = context.parts;
  tell(context, { links }, () =>
    links.length === 0
      ? ["No identities are linked."]
      : table<LinkInfo>(
          terminal,
          [
            { head: "SAID", cell: (l) => localTime(l.atMs), paint: (cell) => paint(terminal, "dim", cell) },
            { head: "LINK", cell: (l) => l.link },
            { head: "EVIDENCE", cell: (l) => (l.rejected === null ? l.strength : "rejected") },
            { head: "BY", cell: (l) => l.by?.name ?? (l.from === "act" ? "token" : l.from) },
            { head: "WHO", cell: (l) => `${namesOf(l)}: ${l.reason}` },
          ],
          links,
        ),
  );
}

export async function showLink(context: Context, id: string): Promise<void> {
  const api = await context.api();
  const found = await api.read(linkEffectSchema, `${pathOf(id)}/effect`);
  tell(context, found, () => effectLines(context.parts.terminal, found));
}

/** Holds that are shown; the rest are counted. */
const restsShown = 8;

function effectLines(terminal: Terminal, { link, rests }: LinkEffect): string[] {
  const what = link.strength === "strong" ? "count as one actor" : "are tied (weak: may hold, never block)";
  const more = rests.length - restsShown;
  return [
    ...wrapped(terminal, `${link.identities.map(({ name }) => name).join(" and ")} ${what}`),
    ...facts(terminal, [
      ["said", `${localTime(link.atMs)} by ${link.by?.name ?? sayerWords(link)}`],
      ["why", link.reason],
      [
        "rejected",
        link.rejected === null
          ? ""
          : `${localTime(link.rejected.atMs)} by ${link.rejected.by.name}: ${link.rejected.reason}`,
      ],
      ["link", link.link],
      ["to reject", link.rejected === null ? `throughline links reject ${link.link} --reason <why>` : ""],
    ]),
    "",
    rests.length === 0 ? "No hold rests on it." : "Without it these would not have been held:",
    ...rests
      .slice(0, restsShown)
      .flatMap(({ approval, state, sentence }) => [
        `  ${state}  ${approval}`,
        ...wrapped(terminal, sentence, 4).map((line, i) => (i === 0 ? `    ${line}` : line)),
      ]),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

export async function addLink(
  context: Context,
  identities: readonly string[],
  { weak, reason }: { readonly weak?: boolean; readonly reason: string },
): Promise<void> {
  const api = await context.api();
  const body = { identities, strength: weak === true ? "weak" : "strong", reason };
  const link = await api.send("POST", "/api/links", body, linkInfoSchema);
  done(context, link, `${namesOf(link)} are ${link.strength === "strong" ? "one actor" : "tied"} from now on.`);
}

export async function rejectLink(context: Context, id: string, reason: string): Promise<void> {
  const api = await context.api();
  await api.tell("DELETE", pathOf(id), { reason });
  done(context, { link: id, rejected: true, reason }, `Link ${id} holds nothing together any more.`);
}
