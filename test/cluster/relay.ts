/** A wire that can be cut: a TCP relay on loopback between one process and the broker. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface Relay {
  readonly port: number;
  /** Breaks every connection; new ones go through. */
  cut(): void;
  /** Breaks every connection and refuses new ones until mended. */
  sever(): void;
  mend(): void;
  close(): Promise<void>;
}

export async function openRelay(port: number, to: number): Promise<Relay> {
  const open = new Set<Socket>();
  let severed = false;
  const server = createServer((near) => {
    if (severed) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(to, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.setNoDelay(true);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of open) socket.resetAndDestroy();
  };
  return {
    port,
    cut,
    sever() {
      severed = true;
      cut();
    },
    mend() {
      severed = false;
    },
    async close() {
      severed = true;
      cut();
      await new Promise((done) => server.close(done));
    },
  };
}
