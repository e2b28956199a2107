/**
 * What the pages read and say: the API of schemas/api.ts over fetch, kept fresh by asking again while somebody looks.
 * The cookie of /login goes along by itself; there is no token in the page that a script could take.
 */
import { keepPreviousData, QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import type { Me, Problem, ProductRole } from "../../../schemas/api.ts";

/** A refusal as the API explained it, or that it did not answer (status 0). */
export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;

  constructor(status: number, code: string, message: string, hint: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** People watch an incident here: at most two seconds behind. */
const refreshMs = 1_800;

export const createQueries = (): QueryClient =>
  new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: 500, refetchOnWindowFocus: true } } });

async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, headers: { accept: "application/json" }, credentials: "same-origin" };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { accept: "application/json", "content-type": "application/json" };
  }
  const response = await fetch(path, init).catch(() => {
    throw new ApiProblem(
      0,
      "api.silent",
      "Throughline does not answer.",
      "What is shown may be old; it is asked again by itself.",
    );
  });
  if (!response.ok) throw await problemOf(response);
  // What was said is read again by the pages; the body of an answer to it is not needed.
  return method === "GET" ? response.json() : (undefined as T);
}

async function problemOf(response: Response): Promise<ApiProblem> {
  const problem: Partial<Problem> = await response.json().catch(() => ({}));
  return new ApiProblem(
    response.status,
    problem.code ?? "api.failed",
    problem.detail ?? problem.title ?? `The API answered ${response.status}.`,
    problem.hint ?? "Try again; if it stays, look at the log of the api.",
  );
}

function pathWith(path: string, query: Query): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query))
    if (value !== undefined && value !== "") search.set(key, String(value));
  return search.size > 0 ? `${path}?${search}` : path;
}

export interface Reading<T> {
  readonly data: T | undefined;
  readonly problem: ApiProblem | null;
  /** When the data came, by this machine's clock; 0 before the first answer. */
  readonly atMs: number;
}

/**
 * @param key what is read; `query` is made anew for each request, so that "the last hour" moves on
 * @param live false for what does not change any more
 */
export function useRead<T>(path: string, key: Query = {}, live = true, query: () => Query = () => key): Reading<T> {
  const found = useQuery<T, ApiProblem>({
    queryKey: [path, key],
    queryFn: () => ask<T>("GET", pathWith(path, query())),
    // who may not read it now will not in two seconds
    refetchInterval: (asked) => (live && asked.state.error?.status !== 403 ? refreshMs : false),
    placeholderData: keepPreviousData,
  });
  return { data: found.data, problem: found.error, atMs: found.dataUpdatedAt };
}

/** Who is logged in; a problem with status 401 means nobody. Asked rarely: every page notices a lost login by itself. */
export function useMe(): Reading<Me> & { readonly pending: boolean } {
  const found = useQuery<Me, ApiProblem>({
    queryKey: ["/api/me", {}],
    queryFn: () => ask<Me>("GET", "/api/me"),
    refetchInterval: 60_000,
  });
  return { data: found.data, problem: found.error, atMs: found.dataUpdatedAt, pending: found.isPending };
}

/** Whether the reader may do that, so that no page leads to a refusal; the API decides all the same. */
export const useMay = (role: ProductRole): boolean => useMe().data?.roles.includes(role) ?? false;

export interface Saying<B> {
  readonly say: (body: B) => void;
  readonly pending: boolean;
  readonly problem: ApiProblem | null;
}

/** Something a person does; everything that is shown is read again afterwards, whether it was accepted or not. */
export function useSay<B>(method: "POST" | "DELETE", path: (body: B) => string, after?: () => void): Saying<B> {
  const queries = useQueryClient();
  const done = useMutation<unknown, ApiProblem, { body: B }>({
    mutationFn: ({ body }) => ask(method, path(body), body),
    onSuccess: after,
    onSettled: () => queries.invalidateQueries(),
  });
  return { say: (body) => done.mutate({ body }), pending: done.isPending, problem: done.error };
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Throughline`;
  }, [title]);
}
