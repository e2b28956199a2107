/**
 * Where the reader is: path and filters stand in the address, so that any view can be sent to a colleague.
 * Plain anchors; the browser's own back, forward, new tab and copy-link keep working.
 */
import { type AnchorHTMLAttributes, type MouseEvent, type Ref, useSyncExternalStore } from "react";

const moved = "throughline:moved";

function subscribe(listener: () => void): () => void {
  window.addEventListener("popstate", listener);
  window.addEventListener(moved, listener);
  return () => {
    window.removeEventListener("popstate", listener);
    window.removeEventListener(moved, listener);
  };
}

export interface Place {
  /** Path without empty parts: `/chains/c1` is ["chains", "c1"]. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

export function usePlace(): Place {
  const address = useSyncExternalStore(subscribe, () => window.location.pathname + window.location.search);
  const url = new URL(address, window.location.origin);
  return { path: url.pathname.split("/").filter(Boolean).map(decodeURIComponent), query: url.searchParams };
}

/** @param how `replace` for filters, so that back leaves the page instead of undoing each keystroke */
export function go(to: string, how: "push" | "replace" = "push"): void {
  if (how === "push") window.history.pushState(null, "", to);
  else window.history.replaceState(null, "", to);
  window.dispatchEvent(new Event(moved));
  if (how === "push") window.scrollTo(0, 0);
}

/** Changes filters of the page that is shown; an empty value takes the filter away. */
export function refine(changes: Readonly<Record<string, string>>): void {
  const url = new URL(window.location.href);
  for (const [key, value] of Object.entries(changes)) {
    if (value === "") url.searchParams.delete(key);
    else url.searchParams.set(key, value);
  }
  go(url.pathname + url.search, "replace");
}

/** `/timeline?account=load`; empty values are left out. */
export function address(path: readonly string[], query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
  return `/${path.map(encodeURIComponent).join("/")}${search ? `?${search}` : ""}`;
}

type LinkProps = AnchorHTMLAttributes<HTMLAnchorElement> & {
  readonly to: string;
  readonly ref?: Ref<HTMLAnchorElement> | undefined;
};

export function Link({ to, onClick, ...rest }: LinkProps) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (event.defaultPrevented || !plain) return;
    event.preventDefault();
    go(to);
  };
  return <a href={to} onClick={follow} {...rest} />;
}

/** Logging in leads back to where the reader was. */
export function loginHere(): string {
  const { pathname, search, hash } = window.location;
  return pathname === "/" ? "/login" : address(["login"], { to: pathname + search + hash });
}
