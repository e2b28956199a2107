/**
 * Positions of the embedded log: consecutive whole numbers from 1, opaque to everybody outside infra/log.
 * As text they are zero-padded to 16 digits, so that they order as text.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Position } from "./log.ts";

/** The only place where a number becomes a Position. */
export function positionOf(number: number): Position {
  return number as unknown as Position;
}

/** The only place where a Position becomes a number again; null is "before the first record". */
export function numberOf(position: Position | null): number {
  return position === null ? 0 : (position as unknown as number);
}

export function encodePosition(position: Position): string {
  return String(numberOf(position)).padStart(16, "0");
}

/** @throws ThroughlineError `request.invalid` */
export function decodePosition(text: string): Position {
  if (!/^[0-9]{16}$/.test(text)) throw new ThroughlineError("request.invalid", "A position is 16 digits");
  return positionOf(Number(text));
}
