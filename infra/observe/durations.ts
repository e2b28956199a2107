/** Durations counted in buckets: an observation is a few comparisons and three additions, and allocates nothing. */

/** Seconds: from a decision out of a cache to a person's patience. */
const usual = [
  0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

export class Durations {
  /** Upper bounds in seconds, ascending. */
  readonly bounds: Float64Array;
  /** Observations per bucket; the last one is for what is over every bound. */
  readonly counts: Float64Array;
  sumSeconds = 0;
  count = 0;

  constructor(boundsSeconds: readonly number[] = usual) {
    this.bounds = Float64Array.from(boundsSeconds);
    this.counts = new Float64Array(boundsSeconds.length + 1);
  }

  observe(seconds: number): void {
    const { bounds, counts } = this;
    let at = 0;
    while (at < bounds.length && seconds > (bounds[at] ?? 0)) at += 1;
    counts[at] = (counts[at] ?? 0) + 1;
    this.sumSeconds += seconds;
    this.count += 1;
  }
}
