/**
 * The commands of the store (schemas/tables.sql, `events`) as a hunt reads them: those that ran, with hindsight. What did
 * not last is no step here, a COMMIT is not one beside what it makes lasting, tags are those of the catalog that is given.
 * `throughline rules replay` without `--sql` folds the log itself and knows better, and takes longer.
 */
import { limits } from "../../schemas/limits.ts";
import { never, stride, type Tables } from "./tables.ts";

const data = (name: string, type: string) => `JSONExtract(event, 'data', '${name}', '${type}')`;
const asList = (text: string) => `if(empty(${text}), [], [${text}])`;

/** Statements that fill `commands`, `effects`, `merges` and `parents` from `events`. */
export function storedStatements(t: Tables): string[] {
  return [
    `INSERT INTO ${t.heard} SELECT row_number() OVER (ORDER BY position), toUnixTimestamp64Milli(at), type, id, command, event
     FROM (SELECT position, at, type, id, command, event FROM events
       WHERE type IN ('command.intended', 'command.decided', 'command.finished', 'session.opened', 'identity.logged_in', 'identity.linked')
       ORDER BY position LIMIT 1 BY position)`,
    commandsSql(t),
    effectsSql(t),
    `INSERT INTO ${t.merges} SELECT n * ${stride}, arrayPushFront(JSONExtract(event, 'data', 'identity', 'onBehalfOf', 'Array(String)'), JSONExtractString(event, 'data', 'identity', 'key'))
     FROM ${t.heard} WHERE type IN ('session.opened', 'identity.logged_in') AND notEmpty(JSONExtract(event, 'data', 'identity', 'onBehalfOf', 'Array(String)'))`,
    `INSERT INTO ${t.merges} SELECT n * ${stride}, ${data("identities", "Array(String)")} FROM ${t.heard}
     WHERE type = 'identity.linked' AND ${data("strength", "String")} = 'strong'`,
    keysSql(t),
    `INSERT INTO ${t.parents} SELECT n * ${stride}, JSONExtractString(event, 'data', 'task', 'id'), JSONExtractString(event, 'data', 'task', 'parent')
     FROM ${t.heard} WHERE type = 'session.opened' AND JSONExtractString(event, 'data', 'task', 'parent') != ''`,
  ];
}

/** Who showed the key of one client certificate is one from then on, unless more actors than a few did in the end. */
function keysSql(t: Tables): string {
  const opened = (...path: string[]) => ["event", "'data'", ...path.map((name) => `'${name}'`)].join(", ");
  return `INSERT INTO ${t.merges} SELECT holder.1 * ${stride}, [holders[1].2, holder.2]
    FROM (SELECT key, arraySort(groupArray((since, who))) AS holders
      FROM (SELECT JSONExtractString(${opened("certificate", "key")}) AS key, JSONExtractString(${opened("identity", "key")}) AS who,
          min(n) AS since, argMin(JSONExtract(${opened("identity", "onBehalfOf")}, 'Array(String)'), n)[-1] AS behalf
        FROM ${t.heard} WHERE type = 'session.opened' AND key != '' GROUP BY key, who)
      GROUP BY key HAVING uniqExact(if(behalf = '', who, behalf)) <= ${limits.keyActorsMax})
    ARRAY JOIN arraySlice(holders, 2) AS holder`;
}

/** What was allowed, at its intent where that was allowed at once. */
function commandsSql(t: Tables): string {
  const ends = (list: "lasted" | "undone") => `(SELECT arrayJoin(${data(list, "Array(String)")}) AS command, min(n) AS n
    FROM ${t.heard} WHERE type = 'command.finished' GROUP BY command)`;
  const isAsked = "i.n > 0 AND d.approval = ''";
  return `INSERT INTO ${t.commands}
    SELECT if(${isAsked}, i.n, d.n) * ${stride}, d.ms, if(${isAsked}, i.id, d.id), d.opaque != '', f.n = 0, d.n * ${stride},
      if(f.n = 0, ${never}, f.n * ${stride}), if(l.n = 0 OR u.n > 0, 0, l.n * ${stride}),
      mapFilter((k, v) -> notEmpty(v), ${fieldsSql()}), if(f.n = 0, map(), map('rows', [f.rows], 'bytes', [f.bytes], 'durationUs', [f.us]))
    FROM (SELECT n, ms, id, command, event, ${data("intent", "String")} AS intent, ${data("approval", "String")} AS approval, ${data("opaque", "String")} AS opaque
      FROM ${t.heard} WHERE type = 'command.decided' AND ${data("ruling", "String")} IN ('allow', 'mask')
        AND JSONExtractString(event, 'data', 'transaction', 'kind') != 'commit' ORDER BY n LIMIT 1 BY command) AS d
    LEFT JOIN (SELECT n, id FROM ${t.heard} WHERE type = 'command.intended') AS i ON i.id = d.intent
    LEFT JOIN (SELECT n, command, ${data("outcome", "String")} AS outcome, ${data("shown", "Bool")} AS shown, ${data("rows", "Float64")} AS rows,
        ${data("bytes", "Float64")} AS bytes, ${data("durationUs", "Float64")} AS us, ${data("tag", "String")} AS tag, ${data("code", "String")} AS code
      FROM ${t.heard} WHERE type = 'command.finished' ORDER BY n LIMIT 1 BY command) AS f ON f.command = d.command
    LEFT JOIN ${ends("lasted")} AS l ON l.command = d.command
    LEFT JOIN ${ends("undone")} AS u ON u.command = d.command`;
}

function fieldsSql(): string {
  const envelope = ["session", "identity", "account", "task", "target", "clientaddress", "grantid"];
  const known: Record<string, string> = {
    ...Object.fromEntries(envelope.map((name) => [name, asList(`JSONExtractString(d.event, '${name}')`)])),
    command: "[d.command]",
    address: asList("replaceRegexpOne(JSONExtractString(d.event, 'clientaddress'), ':[0-9]+$', '')"),
    onbehalfof: "splitByChar(' ', JSONExtractString(d.event, 'onbehalfof'))",
    kind: "[JSONExtractString(d.event, 'data', 'kind')]",
    opaque: "[if(d.opaque != '', 'true', 'false')]",
    undoable: "[if(JSONExtractBool(d.event, 'data', 'undoable'), 'true', 'false')]",
    statement: "arrayDistinct(JSONExtract(d.event, 'data', 'statements', 'Array(String)'))",
    ...Object.fromEntries(
      ["fingerprint", "role", "trace"].map((name) => [name, asList(`JSONExtractString(d.event, 'data', '${name}')`)]),
    ),
    outcome: "if(f.n = 0, [], [f.outcome])",
    shown: "if(f.n = 0, [], [if(f.shown, 'true', 'false')])",
    rows: "if(f.n = 0, [], [toString(f.rows)])",
    bytes: "if(f.n = 0, [], [toString(f.bytes)])",
    durationUs: "if(f.n = 0, [], [toString(f.us)])",
    tag: "if(f.n = 0, [], [f.tag])",
    code: "if(f.n = 0, [], [f.code])",
  };
  return `map(${Object.entries(known)
    .map(([name, texts]) => `'${name}', ${name === "onbehalfof" ? `arrayFilter(x -> x != '', ${texts})` : texts}`)
    .join(", ")})`;
}

/** Of each command what counted in the end (DETECTION §2.4). */
function effectsSql(t: Tables): string {
  const texts = (name: string) => `JSONExtract(x, '${name}', 'Array(String)')`;
  const pairs = (name: string) => `arrayMap(p -> tuple(p[1], p[2]), JSONExtract(x, '${name}', 'Array(Array(String))'))`;
  const lasting = "operation IN ('write', 'transform', 'delete', 'define', 'grant')";
  const failed = "has(outcome, 'error') AND NOT opaque";
  return `INSERT INTO ${t.effects}
    SELECT at, part, operation, reads, writes, ends, destroys,
      if(opaque AND NOT arrayAll(n -> position(n, '/') > 0, arrayConcat(reads, writes)), [], arrayConcat(renames,
        if(operation IN ('write', 'transform'), if(JSONHas(x, 'flows'), flows, arrayFlatten(arrayMap(r -> arrayMap(w -> tuple(r, w), writes), reads))), []))),
      if(opaque, [], arrayConcat(ends, renames.1))
    FROM (SELECT c.at AS at, toUInt16(e.part - 1) AS part, e.x AS x, c.opaque AS opaque, c.outcome AS outcome, c.shown AS shown, u.n > 0 AS undone,
        JSONExtractString(x, 'operation') AS operation, ${texts("reads")} AS reads, ${texts("writes")} AS writes, ${texts("ends")} AS ends,
        JSONExtractBool(x, 'destroys') AS destroys, ${pairs("flows")} AS flows, ${pairs("renames")} AS renames
      FROM (SELECT at, decided, opaque, fields['command'][1] AS command, fields['outcome'] AS outcome, fields['shown'] AS shown FROM ${t.commands}) AS c
      INNER JOIN (SELECT n, arrayJoin(arrayZip(JSONExtractArrayRaw(event, 'data', 'effects'), arrayEnumerate(JSONExtractArrayRaw(event, 'data', 'effects')))) AS both,
        both.1 AS x, both.2 AS part FROM ${t.heard} WHERE type = 'command.decided') AS e ON e.n * ${stride} = c.decided
      LEFT JOIN (SELECT arrayJoin(${data("undone", "Array(String)")}) AS command, 1 AS n FROM ${t.heard} WHERE type = 'command.finished') AS u ON u.command = c.command)
    WHERE NOT (${lasting} AND (undone OR ${failed})) AND NOT (NOT ${lasting} AND ${failed} AND NOT has(shown, 'true'))`;
}
