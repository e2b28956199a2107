/** The store contract over the HTTP path of the official client. */
import { after } from "node:test";
import { storeContract } from "./contract.ts";
import { startServer } from "./server.ts";

const plain = await startServer();
const secure = await startServer(true);
after(async () => {
  await plain.close();
  await secure.close();
});

storeContract("a ClickHouse server over HTTP", () => plain.open("test"));
storeContract("a ClickHouse server over TLS", () => secure.open("test"));
