/**
 * Errors, notices and notifications of the target without what may carry values (`Key (email)=(…) already exists`).
 *
 * Kept: severity, SQLSTATE, positions, names of schema, table, column, type and constraint. Everything else that is
 * text is replaced by one sentence that names the SQLSTATE. File, line and routine go too: they name what ran.
 */
import { targetTypes } from "./frames.ts";
import { errorResponse, noticeResponse, type ReportFields, readString, reportFields } from "./messages.ts";

const severities = ["ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "DEBUG", "INFO", "LOG"] as const;

function severity(fields: ReadonlyMap<string, string>): ReportFields["severity"] {
  const said = fields.get("V") ?? fields.get("S");
  return severities.find((name) => name === said) ?? "ERROR";
}

/** @param message a whole ErrorResponse or NoticeResponse @returns the same without values */
export function scrubbed(message: Buffer): Buffer {
  const fields = reportFields(message);
  const code = fields.get("C") ?? "XX000";
  const kept: ReportFields = {
    severity: severity(fields),
    code,
    message: `The target answered with SQLSTATE ${code}; its text is withheld because it may carry protected values.`,
    ...present("position", fields.get("P")),
    ...present("schema", fields.get("s")),
    ...present("table", fields.get("t")),
    ...present("column", fields.get("c")),
    ...present("dataType", fields.get("d")),
    ...present("constraint", fields.get("n")),
  };
  return message[0] === targetTypes.NoticeResponse ? noticeResponse(kept) : errorResponse(kept);
}

function present<K extends string>(key: K, value: string | undefined): { [key in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [key in K]?: string });
}

/** @param message a whole NotificationResponse @returns the same with an empty payload */
export function withoutPayload(message: Buffer): Buffer {
  const channel = readString(message, 9);
  const kept = Buffer.concat([message.subarray(0, channel.next), Buffer.alloc(1)]);
  kept.writeUInt32BE(kept.length - 1, 1);
  return kept;
}
