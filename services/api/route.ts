/**
 * A route of the HTTP API as the files of each noun write it: shapes in, shape out, who may ask. They know no HTTP
 * library (http.ts does) and no cookies (caller.ts does).
 */
import type { Identity } from "../../schemas/identity.ts";
import type { Static, TSchema } from "../../schemas/shape.ts";

/** Who asks, proven by a token or by the cookie that /login set. */
export interface Caller {
  readonly identity: Identity;
  readonly by: "token" | "cookie";
  /** `host` of the peer. */
  readonly address: string;
  /** End of the token or of the browser session. */
  readonly expiresAtMs: number;
}

export interface Ask<B, Q> {
  readonly caller: Caller;
  /** From the path. */
  readonly id: string;
  readonly body: B;
  readonly query: Q;
  /** Aborted when the client went away. */
  readonly gone: AbortSignal;
}

/** An answer that is not one JSON value. */
export interface Stream {
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Pieces as they go out. */
  readonly text: AsyncIterable<string>;
}

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** With `:id` where the path names one thing. */
  readonly path: string;
  readonly summary: string;
  readonly body: TSchema | null;
  readonly query: TSchema | null;
  /** Null: it streams. */
  readonly answer: TSchema | null;
  readonly status: number;
  handle(ask: Ask<unknown, unknown>): Promise<unknown>;
}

interface Shape<B extends TSchema, Q extends TSchema, A extends TSchema> {
  readonly body?: B;
  readonly query?: Q;
  readonly answer: A;
  readonly status?: number;
}

/** The schemas that validate at the door are the types inside: http.ts calls `handle` only with what has their shape. */
export function route<A extends TSchema, B extends TSchema = TSchema, Q extends TSchema = TSchema>(
  line: `${Route["method"]} /api/${string}`,
  summary: string,
  shape: Shape<B, Q, A>,
  handle: (ask: Ask<Static<B>, Static<Q>>) => Promise<Static<A>>,
): Route {
  const [method, path] = line.split(" ") as [Route["method"], string];
  const { body, query, answer, status } = shape;
  return {
    method,
    path,
    summary,
    body: body ?? null,
    query: query ?? null,
    answer,
    status: status ?? 200,
    handle: (ask) => handle(ask as Ask<Static<B>, Static<Q>>),
  };
}

export function streamRoute<Q extends TSchema>(
  path: string,
  summary: string,
  query: Q,
  handle: (ask: Ask<unknown, Static<Q>>) => Promise<Stream>,
): Route {
  const handleAny: Route["handle"] = (ask) => handle(ask as Ask<unknown, Static<Q>>);
  return { method: "GET", path, summary, body: null, query, answer: null, status: 200, handle: handleAny };
}
