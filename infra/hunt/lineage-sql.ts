/**
 * Where data came from, as a closure over tables (DETECTION §6, Flow): a fact (member, place, at, until) says that
 * `member` was brought to `place` at a position and stays until something ends it. Rounds join the newest facts with
 * all moves until nothing new appears; of facts that end together, the earliest says it all.
 *
 * Two lanes: `strong = 0` is everything, `strong = 1` leaves out what opaque commands moved.
 */
import { never, stride, type Tables } from "./tables.ts";

/** What follows from `commands`, `effects` and `names`, before the rounds. */
export function moveStatements(t: Tables): string[] {
  return [
    `INSERT INTO ${t.ended} SELECT arrayJoin(e.ended), c.decided, c.lasted
     FROM ${t.effects} AS e INNER JOIN ${t.commands} AS c ON c.at = e.at WHERE NOT c.opaque AND c.lasted > 0`,
    `INSERT INTO ${t.moves} SELECT q.pos, greatest(q.pos, q.finished), q.source, q.target, ${untilSql("q.finished")}, q.strong
     FROM (SELECT e.at + 1 + e.part AS pos, m.1 AS source, m.2 AS target, c.finished AS finished, NOT c.opaque AS strong, arrayJoin(n.up) AS k
       FROM (SELECT at, part, arrayJoin(moves) AS m FROM ${t.effects}) AS e
       INNER JOIN ${t.commands} AS c ON c.at = e.at INNER JOIN ${t.names} AS n ON n.name = m.2) AS q
     LEFT JOIN ${t.ended} AS d ON d.name = q.k GROUP BY q.pos, q.finished, q.source, q.target, q.strong`,
    `INSERT INTO ${t.facts} SELECT source, target, pos, until, lane, 0
     FROM (SELECT m.*, arrayJoin([0, 1]) AS lane FROM ${t.moves} AS m INNER JOIN ${t.names} AS n ON n.name = m.source WHERE notEmpty(n.tags))
     WHERE lane = 0 OR strong`,
  ];
}

/** What finished before the ending command was decided is lost when that lasts. */
const untilSql = (finished: string) => `min(if(d.decided > ${finished}, d.lasted, ${never}))`;

/** One round. @param round of the facts that are new; the next ones get `round + 1` */
export function roundStatement(t: Tables, table: "facts" | "labels", round: number): string {
  const fresh = `(SELECT * FROM ${t[table]} WHERE round = ${round})`;
  // A move stays open until its command is finished: what comes to its source meanwhile goes on at once.
  const arrives = "greatest(f.at, m.pos)";
  const meet = `(f.at < m.pos OR f.at < m.closes) AND ${arrives} < f.until AND ${arrives} < m.until AND (f.strong = 0 OR m.strong)`;
  const columns = `f.member AS member, m.target AS place, ${arrives} AS at, m.until AS until, f.strong AS strong`;
  // Overlap: the source is the place or contains it; or the place contains the source.
  return `INSERT INTO ${t[table]} SELECT member, place, min(x.at) AS first, until, strong, ${round + 1} FROM (
      SELECT ${columns} FROM (SELECT f.*, arrayJoin(n.up) AS k FROM ${fresh} AS f INNER JOIN ${t.names} AS n ON n.name = f.place) AS f
        INNER JOIN ${t.moves} AS m ON m.source = f.k WHERE ${meet}
      UNION ALL
      SELECT ${columns} FROM ${fresh} AS f
        INNER JOIN (SELECT m.*, arrayJoin(arrayPopFront(n.up)) AS k FROM ${t.moves} AS m INNER JOIN ${t.names} AS n ON n.name = m.source) AS m
        ON m.k = f.place WHERE ${meet}
    ) AS x LEFT JOIN (SELECT member, place, until, strong, min(at) AS best FROM ${t[table]} GROUP BY member, place, until, strong) AS known
      USING (member, place, until, strong)
    GROUP BY member, place, until, strong, known.best HAVING known.best = 0 OR first < known.best`;
}

/** What is in the places that effects touch, with what earlier effects of the same command brought. */
export function presentStatements(t: Tables): string[] {
  const touched = `(SELECT at, part, at + 1 + part AS pos, arrayJoin(arrayDistinct(arrayConcat(reads, writes))) AS name FROM ${t.effects})`;
  return [
    `INSERT INTO ${t.present} SELECT DISTINCT t.at, t.part, t.name, arrayJoin([0, 1]) FROM ${touched} AS t
     INNER JOIN ${t.names} AS n ON n.name = t.name WHERE notEmpty(n.tags)`,
    `INSERT INTO ${t.present} SELECT DISTINCT t.at, t.part, f.member, f.strong FROM ${touched} AS t
     INNER JOIN (SELECT f.*, arrayJoin(n.up) AS k FROM ${t.facts} AS f INNER JOIN ${t.names} AS n ON n.name = f.place) AS f
     ON f.k = t.name WHERE f.at < t.pos AND t.pos < f.until`,
    `INSERT INTO ${t.present} SELECT DISTINCT t.at, t.part, f.member, f.strong
     FROM (SELECT t.*, arrayJoin(arrayPopFront(n.up)) AS k FROM ${touched} AS t INNER JOIN ${t.names} AS n ON n.name = t.name) AS t
     INNER JOIN ${t.facts} AS f ON f.place = t.k WHERE f.at < t.pos AND t.pos < f.until`,
  ];
}

/** The rows that detections and chains are asked over. */
export function stepStatements(t: Tables): string[] {
  return [
    `INSERT INTO ${t.acts} SELECT e.at, e.part, c.opaque, c.unfinished, c.fields, c.numbers, e.operation, e.reads, e.writes, e.ends, e.destroys, p.tags, p.stags
     FROM ${t.effects} AS e INNER JOIN ${t.commands} AS c ON c.at = e.at
     LEFT JOIN (SELECT p.at AS at, p.part AS part, groupUniqArrayArrayIf(n.tags, p.strong = 0) AS tags, groupUniqArrayArrayIf(n.tags, p.strong = 1) AS stags FROM ${t.present} AS p
       INNER JOIN ${t.names} AS n ON n.name = p.member GROUP BY p.at, p.part) AS p
     ON p.at = e.at AND p.part = e.part`,
    `INSERT INTO ${t.steps} SELECT c.at, c.ms, c.id, c.opaque, c.finished, c.fields['identity'],
       mapConcat(c.fields, mapFilter((k, v) -> notEmpty(v), if(c.opaque, map('tags', a.tags),
         map('tags', a.tags, 'operation', a.operations, 'reads', a.reads, 'writes', a.writes, 'ends', a.ends, 'destroys', a.destroys, 'resource', arrayDistinct(arrayConcat(a.reads, a.writes)))))),
       c.numbers, arrayDistinct(arrayConcat(a.reads, a.writes)), a.writes, p.lin, p.slin
     FROM ${t.commands} AS c
     INNER JOIN (SELECT at, groupUniqArrayArray(tags) AS tags, groupUniqArrayIf(operation, operation != '') AS operations, groupUniqArrayArray(reads) AS reads,
       groupUniqArrayArray(writes) AS writes, groupUniqArrayArray(ends) AS ends, groupUniqArray(if(destroys, 'true', 'false')) AS destroys
       FROM ${t.acts} GROUP BY at) AS a ON a.at = c.at
     LEFT JOIN (SELECT at, groupUniqArrayIf(member, strong = 0) AS lin, groupUniqArrayIf(member, strong = 1) AS slin
       FROM ${t.present} GROUP BY at) AS p ON p.at = c.at`,
  ];
}

/** Every step that matches these detections, as the start of what it wrote (DETECTION §6, F). */
export function labelStatements(t: Tables, detections: readonly number[]): string[] {
  const seeds = `(SELECT s.at AS at, s.finished AS finished, NOT s.opaque AS sure, arrayJoin(s.writes) AS place
    FROM ${t.steps} AS s WHERE s.at IN (SELECT at FROM ${t.matched} WHERE detection IN (${detections.join(", ")})))`;
  return [
    `INSERT INTO ${t.labels} SELECT toString(at), place, at + ${stride - 2}, until, lane, 0 FROM (
       SELECT q.at AS at, q.place AS place, q.sure AS sure, ${untilSql("q.finished")} AS until, arrayJoin([0, 1]) AS lane
       FROM (SELECT s.*, arrayJoin(n.up) AS k FROM ${seeds} AS s INNER JOIN ${t.names} AS n ON n.name = s.place) AS q
       LEFT JOIN ${t.ended} AS d ON d.name = q.k GROUP BY q.at, q.place, q.sure) WHERE lane = 0 OR sure`,
  ];
}

/** Which steps touch what others wrote. @param detections of the later steps */
export function flowStatements(t: Tables, detections: readonly number[]): string[] {
  const later = `(SELECT at, arrayJoin(touches) AS name FROM ${t.steps}
    WHERE at IN (SELECT at FROM ${t.matched} WHERE detection IN (${detections.join(", ")})))`;
  const meet = "l.at < b.at AND b.at < l.until";
  return [
    `INSERT INTO ${t.flows} SELECT DISTINCT toUInt64(l.member), b.at, l.strong FROM ${later} AS b
     INNER JOIN (SELECT l.*, arrayJoin(n.up) AS k FROM ${t.labels} AS l INNER JOIN ${t.names} AS n ON n.name = l.place) AS l
     ON l.k = b.name WHERE ${meet}`,
    `INSERT INTO ${t.flows} SELECT DISTINCT toUInt64(l.member), b.at, l.strong
     FROM (SELECT b.*, arrayJoin(arrayPopFront(n.up)) AS k FROM ${later} AS b INNER JOIN ${t.names} AS n ON n.name = b.name) AS b
     INNER JOIN ${t.labels} AS l ON l.place = b.k WHERE ${meet}`,
  ];
}
