/**
 * Values in PostgreSQL's binary format → the texts they may stand for. Without the type all that fit are told: whoever
 * compares hashes loses nothing by one that means nothing.
 */

/** OIDs in pg_type. */
const types = { bytea: 17, int8: 20, int4: 23, numeric: 1700, uuid: 2950 } as const;
/** Before a bound value in binary, as schemas/command.ts writes it. */
const binaryMark = "\\b:";
const controls = /\p{Cc}+/u;

/** @param type OID; 0 = not known */
export function textsOf(bytes: Buffer, type: number, found: (text: string) => void): void {
  const isAny = type === 0;
  if (bytes.length === 8 && (isAny || type === types.int8)) found(bytes.readBigInt64BE(0).toString());
  if (bytes.length === 4 && (isAny || type === types.int4)) found(bytes.readInt32BE(0).toString());
  if (bytes.length === 16 && (isAny || type === types.uuid)) found(bytes.toString("hex"));
  if (isAny || type === types.numeric) numeric(bytes, found);
  if (!isAny && (Object.values(types) as number[]).includes(type) && type !== types.bytea) return;
  // Arrays, rows and jsonb carry texts between counts and lengths.
  for (const piece of bytes.toString("utf8").split(controls)) if (piece !== "") found(piece);
}

/** A bound value as it stands in Command.parameters. */
export function parameterTexts(value: string, found: (text: string) => void): void {
  if (value.startsWith(binaryMark)) textsOf(Buffer.from(value.slice(binaryMark.length), "base64"), 0, found);
  else found(value);
}

/** int16 digits, weight, sign, scale; then digits to the base 10000. Only what is whole: fractions identify nobody. */
function numeric(bytes: Buffer, found: (text: string) => void): void {
  if (bytes.length < 8) return;
  const [count, weight] = [bytes.readInt16BE(0), bytes.readInt16BE(2)];
  if (count < 1 || bytes.length !== 8 + 2 * count || weight < count - 1 || weight > 32) return;
  let text = "";
  for (let at = 0; at <= weight; at++) {
    const digits = at < count ? bytes.readInt16BE(8 + 2 * at) : 0;
    if (digits < 0 || digits > 9_999) return;
    text += at === 0 ? String(digits) : String(digits).padStart(4, "0");
  }
  found(text);
}
