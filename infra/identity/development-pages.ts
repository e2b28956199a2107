/** The pages of the development identity provider. No scripts, no external hosts; every value is escaped. */

export interface Pick {
  readonly login: string;
  readonly name: string;
}

const style = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:12vh auto;max-width:22rem;padding:0 1rem}
h1{font-size:1.25rem;margin:0}p{margin:.25rem 0 1.25rem;opacity:.75}label{display:block;margin:.75rem 0 .25rem}
input{font:inherit;width:100%;padding:.5rem;box-sizing:border-box;border:1px solid #8888;border-radius:.4rem}
button{font:inherit;margin-top:1.25rem;padding:.5rem 1rem;width:100%;border:0;border-radius:.4rem;background:#2457d6;color:#fff}
.wrong{color:#c62828;opacity:1}code{font-size:1.5rem}`;

export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

export function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title><style>${style}</style></head><body>${body}</body></html>`;
}

export function loginPage(action: string, people: readonly Pick[], wrong: boolean): string {
  const options = people.map(({ login, name }) => `<option value="${escaped(login)}">${escaped(name)}</option>`);
  return page(
    "Log in (development)",
    `<h1>Log in</h1><p>Development identity provider. Not for real data.</p>
${wrong ? '<p class="wrong" role="alert">That name and password do not belong together.</p>' : ""}
<form method="post" action="${escaped(action)}">
<label for="login">Name</label><input id="login" name="login" list="people" autocomplete="username" required autofocus>
<datalist id="people">${options.join("")}</datalist>
<label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Log in</button></form>`,
  );
}

/** @param form the provider's own form, as HTML */
export function codePage(form: string, wrong: boolean): string {
  return page(
    "Connect a device",
    `<h1>Connect a device</h1>${wrong ? '<p class="wrong" role="alert">That code is not known. Try again.</p>' : "<p>Enter the code that your terminal shows.</p>"}
${form}<button type="submit" form="op.deviceInputForm">Continue</button>`,
  );
}

export function confirmPage(form: string, code: string): string {
  return page(
    "Confirm the device",
    `<h1>Is this the code in your terminal?</h1><p><code>${escaped(code)}</code></p>
<p>If you did not start this, close the window.</p>${form}<button type="submit" form="op.deviceConfirmForm">Yes, continue</button>`,
  );
}

export function messagePage(title: string, sentence: string): string {
  return page(title, `<h1>${escaped(title)}</h1><p>${escaped(sentence)}</p>`);
}
