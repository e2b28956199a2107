/** A browser that stops at the door of the console: everything before it is the identity provider's. */
import { Agent } from "../demo/agent.ts";

/** @returns the address under `origin` that the provider sends the browser to */
export async function arriveAt(url: string, credentials: Record<string, string>, origin: string): Promise<URL> {
  const agent = new Agent(credentials);
  let at = url;
  let form: URLSearchParams | null = null;
  for (let hop = 0; hop < 20; hop += 1) {
    if (at.startsWith(`${origin}/`)) return new URL(at);
    const answer: Response = await agent.fetch(at, form ? { method: "POST", body: form } : {});
    const location = answer.headers.get("location");
    const text = await answer.text();
    form = null;
    if (location) {
      at = new URL(location, at).href;
      continue;
    }
    const action = /<form[^>]*action="([^"]*)"/i.exec(text)?.[1];
    if (answer.status !== 200 || !action) throw new Error(`the login ended at ${at}: ${answer.status}`);
    at = new URL(action, at).href;
    form = new URLSearchParams(credentials);
  }
  throw new Error("no end of redirects");
}
