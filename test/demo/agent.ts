/**
 * A person at a browser, as far as HTTP goes: keeps cookies, follows redirects by hand, and fills in the development
 * identity provider's login form. Used where a human would click; the protocol it speaks is the real one (code + PKCE).
 */
export interface Page {
  readonly url: string;
  readonly status: number;
  readonly text: string;
}

export class Agent {
  readonly #jar = new Map<string, Map<string, string>>();
  readonly #credentials: Readonly<Record<string, string>>;

  /** @param credentials values for the form's fields by their names, e.g. `{ login, password }` */
  constructor(credentials: Readonly<Record<string, string>>) {
    this.#credentials = credentials;
  }

  /** Goes to an address, through every redirect and login form, to the page at the end. */
  async visit(address: string): Promise<Page> {
    let request: { url: string; form?: URLSearchParams } = { url: address };
    for (let hop = 0; hop < 20; hop += 1) {
      const answer = await this.fetch(request.url, request.form ? { method: "POST", body: request.form } : {});
      const location = answer.headers.get("location");
      const text = await answer.text();
      if (location) {
        request = { url: new URL(location, request.url).href };
        continue;
      }
      const form = answer.status === 200 ? this.#filled(text) : null;
      if (!form) return { url: request.url, status: answer.status, text };
      request = { url: new URL(form.action, request.url).href, form: form.fields };
    }
    throw new Error(`no end of redirects after ${request.url}`);
  }

  /** One request with this agent's cookies; redirects are not followed. */
  async fetch(address: string, init: RequestInit = {}): Promise<Response> {
    const host = new URL(address).host;
    const cookies = [...(this.#jar.get(host) ?? [])].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = new Headers(init.headers);
    if (cookies) headers.set("cookie", cookies);
    const answer = await fetch(address, { ...init, headers, redirect: "manual" });
    for (const line of answer.headers.getSetCookie()) this.#keep(host, line);
    return answer;
  }

  #keep(host: string, line: string): void {
    const pair = line.split(";")[0] ?? "";
    const at = pair.indexOf("=");
    const jar = this.#jar.get(host) ?? new Map<string, string>();
    const ended = /expires=thu, 01 jan 1970|max-age=0/i.test(line);
    if (ended) jar.delete(pair.slice(0, at));
    else jar.set(pair.slice(0, at), pair.slice(at + 1));
    this.#jar.set(host, jar);
  }

  #filled(html: string): { action: string; fields: URLSearchParams } | null {
    const form = /<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/i.exec(html);
    if (!form?.[1]) return null;
    const fields = new URLSearchParams();
    for (const [tag] of (form[2] ?? "").matchAll(/<input[^>]*>/gi)) {
      const name = /name="([^"]*)"/i.exec(tag)?.[1];
      if (name) fields.set(name, this.#credentials[name] ?? /value="([^"]*)"/i.exec(tag)?.[1] ?? "");
    }
    return { action: form[1].replaceAll("&amp;", "&"), fields };
  }
}
