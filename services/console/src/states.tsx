/** What a page shows when there is nothing to show: loading, empty and failed, each with what to do next. */

import { Button, Loader } from "@mantine/core";
import type { ReactNode } from "react";
import { spanWords } from "../../../schemas/story.ts";
import type { ApiProblem, Reading } from "./data.ts";
import { useNow } from "./moment.tsx";
import { loginHere } from "./route.tsx";

interface EmptyProps {
  readonly title: string;
  readonly children: ReactNode;
  readonly action?: ReactNode;
}

export function Empty({ title, children, action }: EmptyProps) {
  return (
    <div className="empty">
      <strong>{title}</strong>
      <p>{children}</p>
      {action && <div className="actions">{action}</div>}
    </div>
  );
}

export function Failed({ problem }: { readonly problem: ApiProblem }) {
  const lost = problem.status === 401;
  return (
    <div className="notice block" role="alert">
      <div>
        <p>
          <strong>{problem.message}</strong>
        </p>
        <p className="more">
          {problem.hint} <span className="faint code">{problem.code}</span>
        </p>
        {lost && (
          <p>
            <Button component="a" href={loginHere()} size="xs" mt={8}>
              Log in again
            </Button>
          </p>
        )}
      </div>
    </div>
  );
}

interface StateProps<T> {
  readonly of: Reading<T>;
  readonly children: (data: T) => ReactNode;
}

/** Data when there is any, even beside a failure: old evidence is better than none, and says that it is old. */
export function State<T>({ of, children }: StateProps<T>) {
  return (
    <>
      {of.problem && <Failed problem={of.problem} />}
      {of.data !== undefined && children(of.data)}
      {of.data === undefined && !of.problem && (
        <div className="empty">
          <Loader size="sm" aria-label="Loading" />
        </div>
      )}
    </>
  );
}

/** That the page follows by itself, or since when it does not. */
export function Live({ of }: { readonly of: Reading<unknown> }) {
  const now = useNow();
  const late = of.atMs > 0 && now - of.atMs > 6_000;
  if (of.atMs === 0) return null;
  return (
    <span className={late ? "live late" : "live"}>{late ? `No answer for ${spanWords(now - of.atMs)}` : "Live"}</span>
  );
}

interface HeadProps {
  readonly title: string;
  readonly about?: ReactNode;
  readonly of?: Reading<unknown>;
  readonly children?: ReactNode;
}

export function PageHead({ title, about, of, children }: HeadProps) {
  return (
    <div className="page-head">
      <div className="page-title">
        <h1>{title}</h1>
        {about && <p>{about}</p>}
      </div>
      <div className="actions">
        {children}
        {of && <Live of={of} />}
      </div>
    </div>
  );
}
