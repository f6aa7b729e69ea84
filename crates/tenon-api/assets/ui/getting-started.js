// Makes the page live: buttons answer in place, results appear by themselves. Without this module every button still works.

const version = new URL(import.meta.url).search;
const { Tenon } = await import(`./sdk.js${version}`);
const EVERY = 2000;

const texts = new Map(); // what the server said last, to leave alone what did not change
for (const part of document.querySelectorAll('[data-live]')) texts.set(part.dataset.live, part.innerHTML);
dress(document);

/** Puts what changed in a page of the server into this one. */
function show(html) {
  const fresh = new DOMParser().parseFromString(html, 'text/html');
  for (const part of document.querySelectorAll('[data-live]')) {
    const name = part.dataset.live;
    const next = fresh.querySelector(`[data-live="${CSS.escape(name)}"]`)?.innerHTML;
    if (next === undefined || next === texts.get(name) || isBusy(part)) continue;
    const open = [...part.querySelectorAll('details')].map((details) => details.open);
    const typed = new Map([...part.querySelectorAll('input[name]:not([type=hidden])')].map((input) => [input.name, input.value]));
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute('name') ?? document.activeElement.textContent : null;
    texts.set(name, next);
    part.innerHTML = next;
    // New entries stand on top: what was open stays open at the end of the list.
    const details = [...part.querySelectorAll('details')];
    open.reverse().forEach((wasOpen, index) => { const one = details.at(-1 - index); if (one) one.open = wasOpen; });
    for (const input of part.querySelectorAll('input[name]:not([type=hidden])')) if (typed.has(input.name)) input.value = typed.get(input.name);
    if (focused) [...part.querySelectorAll('input, button, a')].find((one) => (one.getAttribute('name') ?? one.textContent) === focused)?.focus();
    dress(part);
  }
}

/** Somebody types or selects here: do not pull it away. */
function isBusy(part) {
  if (part.querySelector('[aria-busy=true]')) return true;
  return part.contains(document.activeElement) && document.activeElement.matches('input:not([type=hidden])');
}

/** What only works with this module is shown, times become the reader's own. */
function dress(root) {
  for (const element of root.querySelectorAll('.needs-script, .copy')) element.hidden = false;
  for (const time of root.querySelectorAll('time')) {
    const instant = new Date(time.dateTime);
    if (!Number.isNaN(instant.valueOf())) time.textContent = instant.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  }
}

async function refresh() {
  const response = await fetch(location.href, { headers: { Accept: 'text/html' } });
  if (response.ok && !response.redirected) show(await response.text());
}

async function send(form, headers = { Accept: 'text/html' }) {
  return fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)), headers });
}

function complain(step, text) {
  const box = document.querySelector(`[data-problem="${step}"]`);
  if (!box) return;
  box.textContent = text;
  box.hidden = !text;
}

async function connectWithUI(form) {
  complain('connect', '');
  const response = await send(form, { Accept: 'application/json' });
  if (!response.ok) return complain('connect', 'No connect session could be opened. Is the demo still being set up? Try again in a moment.');
  const { token } = await response.json();
  await new Tenon({ host: location.origin }).openConnectUI({ sessionToken: token }).closed;
  await refresh();
}

async function connectBySnippet(button) {
  complain('connect', '');
  const nango = new Tenon({ host: location.origin, publicKey: button.dataset.publicKey });
  const result = await nango.auth(button.dataset.auth, button.dataset.connection, { detectClosedAuthWindow: true });
  if (!result.ok) complain('connect', `Not connected (${result.error.code}): ${result.error.message}`);
  await refresh();
}

document.addEventListener('submit', async (event) => {
  const form = event.target;
  if (!form.matches('[data-step], [data-connect]')) return;
  event.preventDefault();
  const button = event.submitter;
  button?.setAttribute('aria-busy', 'true');
  try {
    if ('connect' in form.dataset) return await connectWithUI(form);
    const response = await send(form);
    const html = await response.text();
    button?.removeAttribute('aria-busy');
    document.activeElement?.blur();
    if (response.ok) form.reset();
    show(html);
  } finally {
    button?.removeAttribute('aria-busy');
  }
});

document.addEventListener('click', async (event) => {
  const button = event.target.closest('button');
  if (button?.dataset.auth) await connectBySnippet(button);
  if (button?.classList.contains('copy')) {
    await navigator.clipboard?.writeText(button.closest('figure').querySelector('code').textContent);
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  }
});

setInterval(() => { if (!document.hidden) refresh().catch(() => {}); }, EVERY);
document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh().catch(() => {}); });
