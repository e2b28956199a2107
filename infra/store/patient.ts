/**
 * A store whose server may be away when it is opened: each question tries to open it first. Until it is open every
 * question fails as it does when the server goes away later, with `store.unavailable`; that is said by whoever asks.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Store } from "./store.ts";

export class PatientStore implements Store {
  readonly #open: () => Promise<Store>;
  #store: Promise<Store> | null = null;
  #isOpen = false;
  #closed = false;

  constructor(open: () => Promise<Store>) {
    this.#open = open;
  }

  /** @throws whatever opening throws but `store.unavailable` */
  static async open(open: () => Promise<Store>): Promise<PatientStore> {
    const store = new PatientStore(open);
    try {
      await store.#opened();
    } catch (error) {
      if (!(error instanceof ThroughlineError) || error.code !== "store.unavailable") throw error;
    }
    return store;
  }

  /** One attempt at a time, shared by who asks meanwhile. */
  #opened(): Promise<Store> {
    if (this.#closed && !this.#isOpen) throw new ThroughlineError("store.unavailable", "The store is closed");
    this.#store ??= this.#open().then(
      (store) => {
        this.#isOpen = true;
        return store;
      },
      (error: unknown) => {
        this.#store = null;
        throw error;
      },
    );
    return this.#store;
  }

  async write(...parameters: Parameters<Store["write"]>): Promise<void> {
    return (await this.#opened()).write(...parameters);
  }

  async writtenUpTo(): Promise<string | null> {
    return (await this.#opened()).writtenUpTo();
  }

  async timeline(...parameters: Parameters<Store["timeline"]>): ReturnType<Store["timeline"]> {
    return (await this.#opened()).timeline(...parameters);
  }

  async event(id: string): ReturnType<Store["event"]> {
    return (await this.#opened()).event(id);
  }

  async sessions(...parameters: Parameters<Store["sessions"]>): ReturnType<Store["sessions"]> {
    return (await this.#opened()).sessions(...parameters);
  }

  async forgetText(session: string): Promise<void> {
    return (await this.#opened()).forgetText(session);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const opening = this.#store;
    if (opening === null) return;
    // An attempt that fails now leaves nothing to close.
    const store = await opening.catch(() => null);
    await store?.close();
  }
}
