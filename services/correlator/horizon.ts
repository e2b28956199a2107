/** Which place in the log has left every window: positions and their times, in order. */
export class Horizon {
  readonly #marks: { readonly at: number; readonly atMs: number }[] = [];
  #at = 0;

  /** @returns the last noted position whose time is before that: no question goes further back */
  pass(at: number, atMs: number, beforeMs: number): number {
    this.#marks.push({ at, atMs });
    const first = this.#marks.findIndex((mark) => mark.atMs >= beforeMs);
    for (const mark of this.#marks.splice(0, first === -1 ? this.#marks.length : first)) this.#at = mark.at;
    return this.#at;
  }

  kept(): readonly [number, readonly { readonly at: number; readonly atMs: number }[]] {
    return [this.#at, this.#marks];
  }

  restore([at, marks]: ReturnType<Horizon["kept"]>): void {
    this.#at = at;
    this.#marks.push(...marks);
  }
}
