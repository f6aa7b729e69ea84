// One try to connect after the other, and the socket that tells how it ended (connect-ui-and-dashboard.md, A4 and B3).

import { ApiFailure, api, call, endpoint, note, part, session, tell } from './api.js';
import { OVERRIDES, grouped } from './fields.js';
import { page } from './page.js';
import { query } from './words.js';
import { showBlocked, showChecking, showPopupOpen, showSuccess, showTrouble } from './views.js';

const POST_ROUTES = {
  API_KEY: 'api-auth/api-key', BASIC: 'api-auth/basic', OAUTH2_CC: 'oauth2/auth', TWO_STEP: 'auth/two-step', JWT: 'auth/jwt',
  SIGNATURE: 'auth/signature', TBA: 'auth/tba', BILL: 'auth/bill', AWS_SIGV4: 'auth/aws-sigv4', NONE: 'auth/unauthenticated',
};

/** The query that both families of routes share. */
function flowQuery(fields, values) {
  const search = new URLSearchParams({ connect_session_token: session.token });
  for (const [name, value] of Object.entries(grouped(fields, values, 'params'))) search.set(`params[${name}]`, value);
  const preset = session.data.integrations_config_defaults?.[session.integration.unique_key];
  for (const [name, value] of Object.entries(preset?.authorization_params ?? {})) search.set(`authorization_params[${name}]`, value ?? 'undefined');
  const credentials = grouped(fields, values, 'credentials');
  for (const name of OVERRIDES) if (credentials[name]) search.set(`credentials[${name}]`, credentials[name]);
  if (session.settings.length) search.set('metadata', JSON.stringify(session.metadataOf(fields, values)));
  return search;
}

function bodyOf({ auth_mode: mode }, fields, values) {
  const credentials = grouped(fields, values, 'credentials');
  const assertion = grouped(fields, values, 'assertion');
  switch (mode) {
    case 'NONE': return undefined;
    case 'BASIC': return { username: credentials.username ?? '', password: credentials.password ?? '' };
    case 'TWO_STEP': return { type: mode, ...credentials, ...(Object.keys(assertion).length ? { assertionOption: assertion } : {}) };
    case 'JWT': case 'SIGNATURE': return { type: mode, ...credentials };
    default: return credentials;
  }
}

/** What the server remembers of the latest attempt, and how long the session still runs. */
export async function outcome(method = 'GET', more = '') {
  const { data } = await call(method, `/connect/session/attempt${more}`);
  const { attempt } = data;
  if (attempt) attempt.id = attempt.operation_id ?? attempt.ended_at;
  session.reference = attempt?.operation_id ?? data.operation_id;
  return data;
}

// The latest attempt that was there before the one under way.
let known = null;

/** The application has heard how it ended: the server keeps that. */
async function heard() {
  const data = await outcome('POST', '/told').catch(() => null);
  known = data?.attempt?.id ?? known;
  return data?.attempt;
}

export let attempt = null;

/** One try to connect. It ends once; a success may still come after the host was told that the window was closed. */
export class Attempt {
  constructor(integration) {
    this.key = integration.unique_key;
    this.told = false;
    this.over = false;
    attempt?.end();
    attempt = this;
  }

  /** Tells the host about the failure, once, whichever messenger comes first. */
  report(errorType, errorMessage) {
    if (this.told || this.over) return;
    this.told = true;
    tell('error', { errorType, errorMessage });
  }

  succeed(result, again = false, account = '') {
    if (this.over) return;
    this.end();
    const name = showSuccess(result);
    name(account);
    if (again) return;
    note('view:success', this.key);
    // The name of a frame outlives its reload, and goes with it.
    window.name = result.connectionId;
    tell('connect', result);
    heard().then((ended) => name(ended?.account));
  }

  async fail(failure) {
    if (this.over) return;
    this.report(failure.code, failure.message);
    this.end();
    note('view:credentials_error', this.key);
    await heard();
    if (!attempt) showTrouble(failure);
  }

  /** Takes what the server remembers, if it is about this attempt. Whether it has begun. */
  async look() {
    const found = (await outcome().catch(() => null))?.attempt;
    if (this.over || !found || found.id === known) return false;
    if (found.state !== 'pending') settle(this, found);
    return true;
  }

  /** Sockets may be cut off or forbidden: the server is asked, too. */
  watch(run) {
    this.timers = [setInterval(() => this.look(), 3000), run && setInterval(run, 500)];
  }

  end() {
    this.over = true;
    this.timers?.forEach(clearInterval);
    if (attempt === this) attempt = null;
  }
}

function settle(current, { state, provider_config_key: providerConfigKey, connection_id: connectionId, account, error }, again) {
  if (state === 'connected') return current.succeed({ providerConfigKey, connectionId, isPending: false }, again, account);
  current.told ||= Boolean(again);
  current.fail(new ApiFailure(400, error?.type ?? 'unknown_error', error?.message ?? ''));
}

/** Goes on where a page stood before it was reloaded. Whether there was anything to go on with. */
export function resume({ attempt: found, expires_in: left }) {
  known = found?.id ?? null;
  if (!found) return false;
  const here = window.name === found.connection_id;
  const again = found.told || here;
  if (again && (found.state === 'failed' || !here)) return false;
  session.integration = session.list.find((one) => one.unique_key === found.provider_config_key) ?? { unique_key: found.provider_config_key };
  const current = new Attempt(session.integration);
  if (found.state !== 'pending') {
    settle(current, found, again);
    return true;
  }
  known = null;
  if (left > 0) {
    socket.id = found.ws_client_id;
    openSocket();
  }
  showPopupOpen(current, null, true);
  return true;
}

/** The person has seen how it ended. */
export const leave = () => { window.name = ''; };

// The socket is opened with the form, so that a click can open the final address at once: no blank window, and a plain
// link works where windows are blocked.
export const socket = { live: null, id: null, wait: 500, waiting: [] };

export function openSocket() {
  if (socket.live) return;
  const url = endpoint('/');
  const path = session.data?.websocketsPath;
  if (path && path !== '/') url.pathname = path;
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  if (socket.id) url.searchParams.set('ws_client_id', socket.id);
  const live = new WebSocket(url);
  socket.live = live;
  live.onmessage = ({ data }) => {
    let frame;
    try { frame = JSON.parse(data); } catch { return; }
    if (frame.message_type === 'connection_ack') {
      socket.id = frame.ws_client_id;
      socket.wait = 500;
      socket.waiting.splice(0).forEach((ready) => ready(socket.id));
    } else if (frame.message_type === 'success') {
      attempt?.succeed({ providerConfigKey: frame.provider_config_key, connectionId: frame.connection_id, isPending: frame.is_pending });
    } else if (frame.message_type === 'error') {
      attempt?.fail(new ApiFailure(400, frame.error_type, frame.error_desc));
    }
  };
  live.onclose = () => {
    socket.live = null;
    if (!['success', 'expired', 'closed'].includes(page.state)) setTimeout(openSocket, (socket.wait = Math.min(socket.wait * 2, 10000)));
  };
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const socketId = (ms) => socket.id || Promise.race([new Promise((ready) => socket.waiting.push(ready)), pause(ms)]);

export async function connectByPopup(fields, values) {
  const current = new Attempt(session.integration);
  const address = (id) => {
    const url = endpoint(`/oauth/connect/${part(current.key)}`);
    const search = flowQuery(fields, values);
    if (id) search.set('ws_client_id', id);
    url.search = search;
    return url.href;
  };
  const features = `width=500,height=600,left=${screenX + (outerWidth - 500) / 2},top=${screenY + (outerHeight - 600) / 2}`;
  const popup = window.open(socket.id ? address(socket.id) : '', '_blank', features);
  if (popup) {
    if (!socket.id) {
      const id = await socketId(5000);
      if (current.over) return;
      popup.location.replace(address(id));
    }
    return showPopupOpen(current, popup);
  }
  const ready = socket.id;
  const id = await socketId(3000);
  if (current.over) return;
  showBlocked(current, address(id));
  // Under a host that isolates itself the window opens, but is kept from us: then the server sees the flow begin.
  for (let look = 0; ready && look < 4; look += 1) {
    await pause(500);
    if (await current.look()) return current.over || showPopupOpen(current, null);
    if (current.over || page.state !== 'popup-blocked') return;
  }
  note('popup:blocked_by_browser', current.key);
  current.report('blocked_by_browser', 'the browser did not open a window');
}

/** Notices that the window was closed, which proves nothing: a provider that isolates its pages looks the same. */
export function watchClosed(current, popup, changed) {
  let closed = false;
  current.watch(popup && (() => {
    if (closed || !popup.closed) return;
    closed = true;
    setTimeout(() => {
      if (current.over) return;
      note('popup:closed_early', current.key);
      changed();
      if (query.get('detectClosedAuthWindow') === 'true') current.report('window_closed', 'the window was closed before the access was allowed');
    }, 1000);
  }));
}

export async function connectByPost(fields, values) {
  const current = new Attempt(session.integration);
  const { provider, integration } = session;
  const route = provider.installation === 'outbound' ? 'auth/oauth-outbound' : POST_ROUTES[provider.auth_mode];
  showChecking();
  try {
    const path = `/${route}/${part(integration.unique_key)}?${flowQuery(fields, values)}`;
    // The session travels in the query; a header of its own would only cost a round trip more.
    const result = await call('POST', path, { body: bodyOf(provider, fields, values), token: null });
    current.succeed(result ?? { providerConfigKey: integration.unique_key });
  } catch (failure) {
    current.fail(failure);
  }
}

/** The callback page spoke. A success carries no ids, so that the server is asked; an error is complete. */
function fromCallback({ type, payload }) {
  if (type === 'nango_oauth_callback_success') attempt?.look();
  else attempt?.fail(new ApiFailure(400, payload?.errorType ?? 'connection_validation_failed', payload?.message ?? ''));
}

export function listenToCallbacks() {
  window.addEventListener('message', ({ data, origin, source }) => {
    if (!/^nango_oauth_callback_(success|error)$/.test(data?.type) || origin !== api.origin || source === window) return;
    source?.postMessage?.({ type: 'nango_oauth_callback_ack' }, origin);
    fromCallback(data);
  });
  if ('BroadcastChannel' in window && api.origin === location.origin) {
    // Every page of this origin hears it: only one whose flow has ended may believe it.
    new BroadcastChannel('nango-oauth-callback').onmessage = () => attempt?.look();
  }
}
