/**
 * Networks in CIDR notation, version 4 and 6. An address that IPv6 wraps (`::ffff:10.0.0.1`) is the address it wraps.
 * Node's BlockList does the same but makes an object per look, too dear where every event is looked at.
 */
import { isIP } from "node:net";

/** First address as 16-bit words (two for version 4, eight for version 6), and how many bits count. */
interface Network {
  readonly words: readonly number[];
  readonly bits: number;
}

/** `::ffff:` */
const wrapBits = 96;

/** @throws Error with one sentence */
export function parseNetwork(text: string): Network {
  const [address = "", prefix, ...rest] = text.split("/");
  const words = wordsOf(address);
  if (words === null || rest.length > 0) throw new Error("cidr takes a network such as 10.0.0.0/8 or 2001:db8::/32");
  const whole = words.length * 16;
  // Of what IPv6 wraps, the bits before it are always the same.
  const before = address.includes(":") && words.length === 2 ? wrapBits : 0;
  const bits = prefix === undefined ? whole : Number(prefix) - before;
  if ((prefix !== undefined && !/^[0-9]{1,3}$/.test(prefix)) || bits > whole || bits < 0)
    throw new Error(`cidr takes ${before} to ${before + whole} bits after the /`);
  if (!words.every((word, at) => (word & ~mask(bits, at)) === 0))
    throw new Error(`${text} has bits after the first ${bits + before}: write the network's first address`);
  return { words, bits };
}

/** @returns the same network without the IPv6 that wraps it, for readers that know no such thing. @throws as above */
export function unwrapped(text: string): string {
  const { words, bits } = parseNetwork(text);
  if (words.length > 2 || !text.includes(":")) return text;
  return `${words.flatMap((word) => [word >> 8, word & 0xff]).join(".")}/${bits}`;
}

/** @returns whether an address, with a port behind it or not, lies in the network */
export function isInNetwork(network: Network, text: string): boolean {
  const words = wordsOf(text) ?? wordsOf(withoutPort(text));
  if (words?.length !== network.words.length) return false;
  for (const [at, word] of network.words.entries())
    if (((words[at] ?? 0) & mask(network.bits, at)) !== word) return false;
  return true;
}

function mask(bits: number, at: number): number {
  const here = Math.min(16, Math.max(0, bits - 16 * at));
  return (0xffff << (16 - here)) & 0xffff;
}

/** `10.0.0.1:5432`, `[::1]:5432` */
function withoutPort(text: string): string {
  return /^\[(.*)\](?::[0-9]+)?$/.exec(text)?.[1] ?? /^([^:]*):[0-9]+$/.exec(text)?.[1] ?? "";
}

function wordsOf(text: string): readonly number[] | null {
  const family = isIP(text);
  if (family === 0) return null;
  if (family === 4) return version4(text);
  const zone = text.indexOf("%");
  const words = version6(zone === -1 ? text : text.slice(0, zone));
  const wraps = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  return wraps ? words.slice(6) : words;
}

function version4(text: string): number[] {
  const [a = 0, b = 0, c = 0, d = 0] = text.split(".").map(Number);
  return [a * 256 + b, c * 256 + d];
}

/** `isIP` has checked the form. */
function version6(text: string): number[] {
  const [head = "", tail] = text.split("::");
  const read = (part: string) =>
    part === ""
      ? []
      : part.split(":").flatMap((word) => (word.includes(".") ? version4(word) : [Number.parseInt(word, 16)]));
  const [first, last] = [read(head), tail === undefined ? [] : read(tail)];
  return tail === undefined ? first : [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
}
