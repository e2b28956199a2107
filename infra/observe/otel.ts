/**
 * Sends traces to a collector: OTLP over HTTP, in batches, in the background. The one file that imports OpenTelemetry.
 *
 * A collector that is slow or away costs traces, which are counted, and nothing else. A client may ask to be traced by
 * its traceparent, a bounded number of times a second: it chooses no load for us.
 */
import { context, type Span, type SpanContext, SpanKind, SpanStatusCode, TraceFlags, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Attributes, Trace, Traceparent, Tracer } from "./trace.ts";

export interface OtelParts {
  /** The collector's address for traces, `http://127.0.0.1:4318/v1/traces`. */
  readonly url: string;
  /** Share of commands that are traced, 0 to 1. */
  readonly ratio: number;
  readonly service: { readonly role: string; readonly name: string; readonly version: string };
  readonly now: () => number;
  /** In place of the network, for tests. */
  readonly exporter?: SpanExporter;
}

/** Traces a second that clients may ask for by themselves. */
const askedPerSecondMax = 10;
const exportMsMax = 5_000;
const batchMs = 1_000;

export function openTracer({ url, ratio, service, now, exporter }: OtelParts): Tracer {
  const counts = { traced: 0, failedExports: 0 };
  const out = exporter ?? new OTLPTraceExporter({ url, timeoutMillis: exportMsMax });
  const counted: SpanExporter = {
    export(spans: ReadableSpan[], done) {
      out.export(spans, (result) => {
        if (result.code !== 0) counts.failedExports += 1;
        done(result);
      });
    },
    shutdown: () => out.shutdown(),
    ...(out.forceFlush ? { forceFlush: () => out.forceFlush?.() ?? Promise.resolve() } : {}),
  };
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": `throughline-${service.role}`,
      "service.instance.id": service.name,
      "service.version": service.version,
    }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: counted,
        scheduledDelayMillis: batchMs,
        exportTimeoutMillis: exportMsMax,
        maxQueueSize: 4_096,
      }),
    ],
  });
  const tracer = provider.getTracer("throughline", service.version);
  const choice = chooser(ratio, now);
  return {
    counts,
    begin(name, fromMs, parent) {
      if (!choice(parent)) return null;
      counts.traced += 1;
      const above = parent === null ? context.active() : trace.setSpanContext(context.active(), remote(parent));
      const root = tracer.startSpan(name, { startTime: fromMs, kind: SpanKind.SERVER }, above);
      return traceOf(root, (child, startTime, attributes) =>
        tracer.startSpan(child, { startTime, attributes }, trace.setSpan(context.active(), root)),
      );
    },
    async close() {
      // A collector that is away at the end: its traces are lost, which the exporter has counted.
      await provider.shutdown().catch(() => undefined);
    },
  };
}

function traceOf(root: Span, start: (name: string, fromMs: number, attributes: Attributes) => Span): Trace {
  return {
    span: (name, fromMs, untilMs, attributes = {}) => start(name, fromMs, attributes).end(Math.max(fromMs, untilMs)),
    end(untilMs, attributes, failed) {
      root.setAttributes(attributes);
      if (failed) root.setStatus({ code: SpanStatusCode.ERROR });
      root.end(untilMs);
    },
  };
}

/** Every n-th by the ratio, without dice; more when a client asks, up to a number a second. */
function chooser(ratio: number, now: () => number): (parent: Traceparent | null) => boolean {
  let credit = 0;
  let second = 0;
  let asked = 0;
  return (parent) => {
    credit += ratio;
    if (credit >= 1) {
      credit -= 1;
      return true;
    }
    if (parent?.sampled !== true) return false;
    const thisSecond = Math.floor(now() / 1_000);
    if (thisSecond !== second) [second, asked] = [thisSecond, 0];
    asked += 1;
    return asked <= askedPerSecondMax;
  };
}

/** Sampled here whatever the flag says: whether to trace was decided before. */
function remote({ traceId, spanId }: Traceparent): SpanContext {
  return { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
}
