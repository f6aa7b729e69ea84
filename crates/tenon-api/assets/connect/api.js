// Whom the page talks to: its API, and the application that shows it (connect-ui-and-dashboard.md, A1 to A3).

import { $, applySettings, h, keepFocus, later, message, show, skeleton } from './page.js';
import { language, meta, query, text } from './words.js';

export const framed = window.parent !== window;
// Beside its API the page stands at `…/connect-ui/`; on a listener of its own it is told where the API is.
const ownApi = new URL(meta('api') || location.href.split(/[?#]/)[0].replace(/connect-ui\/.*$/, ''));
const origins = meta('origins').split(' ');

/** The API of this page, or null when `apiURL` names a server that this page must not talk to. */
export function apiOf(given) {
  if (!given) return ownApi;
  let url;
  try { url = new URL(given); } catch { return null; }
  // What the published package sends unless told otherwise.
  if (url.origin === 'https://api.nango.dev') return ownApi;
  if ([ownApi.origin, location.origin, ...origins].includes(url.origin)) return url;
  // The same machine under another of its names, such as 127.0.0.1 for localhost, is known by the port of the API.
  const sameMachine = url.hostname === location.hostname && url.protocol === ownApi.protocol && url.port === ownApi.port;
  return sameMachine ? url : null;
}

export const api = apiOf(query.get('apiURL'));
export const part = encodeURIComponent;
export const endpoint = (path) => new URL(path.replace(/^\//, ''), api.href.endsWith('/') ? api : `${api.href}/`);

export const session = {
  token: null, data: null, list: [], integration: null, provider: null, settings: [], reference: null, ended: false,
};

export class ApiFailure extends Error {
  constructor(status, code, messageText, body) {
    super(messageText);
    Object.assign(this, { status, code, body });
  }
}

export async function call(method, path, { body, token = session.token } = {}) {
  let response;
  try {
    response = await fetch(endpoint(path), {
      method,
      keepalive: method === 'POST',
      headers: {
        'Accept-Language': language,
        ...(token && { Authorization: `Bearer ${token}` }),
        ...(body && { 'Content-Type': 'application/json' }),
      },
      body: body && JSON.stringify(body),
    });
  } catch (cause) {
    throw new ApiFailure(0, 'network', String(cause));
  }
  const raw = await response.text();
  let data = null;
  // Something in between may have answered.
  try { data = raw ? JSON.parse(raw) : null; } catch {}
  if (!response.ok) {
    const failure = data?.error ?? {};
    throw new ApiFailure(response.status, failure.code ?? 'unknown_error', failure.message ?? `HTTP ${response.status}`, failure);
  }
  return data;
}

export function note(event, integration) {
  if (!session.token) return;
  const body = { token: session.token, event, timestamp: new Date().toISOString(), ...(integration && { dimensions: { integration } }) };
  navigator.sendBeacon?.(endpoint('/connect/telemetry'), new Blob([JSON.stringify(body)], { type: 'application/json' }));
}

// The origin that gave us the token.
let host = '*';
export const tell = (type, payload) => framed && window.parent.postMessage(payload ? { type, payload } : { type }, host);

/** Whether the environment lets this parent show the page. Where a browser hides who it is, nobody is let in. */
function isAllowedParent(allowed) {
  if (!framed || !allowed?.length) return true;
  let parent = host === '*' ? location.ancestorOrigins?.[0] : host;
  try { parent ??= new URL(document.referrer).origin; } catch { return false; }
  const fits = (rule) => rule === parent
    || (rule.includes('://*.') && parent.startsWith(rule.split('*')[0]) && parent.endsWith(rule.split('*')[1]));
  return parent === location.origin || allowed.some(fits);
}

/** Whether the environment lets its page be shown here; says so where it does not. */
export function mayShow(settings) {
  applySettings(settings);
  const may = isAllowedParent(settings.allowedOrigins);
  if (!may) message('not-allowed', { icon: 'err', title: text('notAllowed'), hint: text('notAllowedHint') });
  return may;
}

/** The server is away: says so, and tries again after `wait` at first. */
export function tryLater(load, wait) {
  message('offline', { icon: 'wait', title: text('offline'), hint: text('offlineHint') });
  later(wait, () => load(Math.min(wait * 2, 15000)));
}

/** The person is done with the page. */
export function depart() {
  tell('close');
  if (!framed) message('closed', { icon: 'ok', title: text('tab') });
}

/** Puts the page into its frame or window, and goes on with the token. `close` is what Escape and the cross do. */
export function begin(start, { title, close, waits = true, settingsChanged }) {
  applySettings();
  document.title = title;
  document.body.classList.toggle('page', !framed);
  document.body.classList.toggle('embedded', query.get('embedded') === 'true');
  $('close').hidden = !framed;
  $('close').onclick = () => close();
  keepFocus(() => framed && close());
  if (handshake(start, settingsChanged) || !api) return;
  const missing = () => message('no-token', { icon: 'wait', title: text('noToken'), hint: text('noTokenHint') });
  if (!framed) return missing();
  show('wait-token', skeleton(), { heading: text('waiting') });
  if (!waits) return;
  later(3000, () => $('main').append(h('p', {}, text('waiting'))));
  later(10000, missing);
}

/** Waits for the token, from the application or in the address, and hands it on; tells a person where it stays away. */
function handshake(start, settingsChanged) {
  if (!api) {
    return message('bad-api', { icon: 'err', title: text('badApi'), hint: text('badApiHint', { url: query.get('apiURL') }) });
  }
  window.addEventListener('message', ({ source, origin, data }) => {
    if (!framed || source !== window.parent) return;
    if (data?.type === 'session_token' && typeof data.sessionToken === 'string') {
      host = origin === 'null' ? '*' : origin;
      if (data.sessionToken !== session.token) start(data.sessionToken);
    } else if (data?.type === 'settings_changed' && query.get('preview') === 'true') {
      settingsChanged?.(data.payload);
    }
  });
  const token = query.get('session_token');
  if (token) {
    const clean = new URL(location.href);
    clean.searchParams.delete('session_token');
    history.replaceState(null, '', clean);
  }
  tell('ready');
  if (token) start(token);
  return Boolean(token);
}
