// The Connect UI: one page, one module, no build. Sections: words, page, protocol, session, fields, attempts, views.

// ---------------------------------------------------------------------------------------------------------- words

// One file for each; a test compares their keys. `{x}` is filled in.
const LANGUAGES = ['en', 'de', 'fr', 'es', 'ja'];

const query = new URLSearchParams(location.search);
const wanted = [query.get('lang'), ...(navigator.languages ?? [])].filter(Boolean).map((tag) => tag.slice(0, 2).toLowerCase());
const language = wanted.find((tag) => LANGUAGES.includes(tag)) ?? 'en';
const version = new URL(import.meta.url).search;
const texts = await (await fetch(new URL(`texts/${language}.json${version}`, import.meta.url))).json();
const text = (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');

// ----------------------------------------------------------------------------------------------------------- page

const $ = (id) => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';
const SHAPES = {
  ok: 'm5 13 4 4L19 7', err: 'M12 6v8m0 4v.01', run: 'M12 3a9 9 0 1 0 9 9', wait: 'M12 6v6l4 2',
  window: 'M4 5h16v14H4zM4 9h16', arrow: 'm6 3 5 5-5 5',
};

/** An element: `h('p', { class: 'small' }, 'text', child)`. Functions become listeners, `true` a bare attribute. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

function shape(name, size = 24, kind = '') {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
  svg.setAttribute('aria-hidden', 'true');
  if (kind) svg.setAttribute('class', kind);
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', SHAPES[name]);
  svg.append(path);
  return svg;
}

const mark = (name, kind = '') => h('div', { class: `mark ${kind}` }, shape(name));
const button = (label, click, plain = false) =>
  h('button', { type: 'button', class: plain ? 'button plain' : 'button', click }, label);

const page = { state: '', timers: [], leaveGuard: false };

/** Shows a state. Its heading gets the focus and so is read out, or `heading` is; timers of the state before end. */
function show(state, content, { back, center = false, heading } = {}) {
  page.timers.splice(0).forEach(clearTimeout);
  page.state = state;
  document.documentElement.dataset.state = state;
  const main = $('main');
  main.className = center ? 'center' : '';
  main.replaceChildren(...content);
  const title = main.querySelector('h1');
  if (title) {
    title.id = 'heading';
    title.tabIndex = -1;
    title.focus({ preventScroll: true });
  }
  $('live').textContent = title ? '' : (heading ?? '');
  $('back').hidden = !back;
  $('back').onclick = back ?? null;
  main.scrollTop = 0;
}

const later = (ms, run) => {
  const timer = setTimeout(run, ms);
  page.timers.push(timer);
  return timer;
};

function message(state, { icon, kind, title, hint, actions = [], more = [] }) {
  show(state, [
    mark(icon, kind),
    h('h1', {}, title),
    hint ? h('p', {}, hint) : null,
    ...more,
    actions.length ? h('div', { class: 'actions' }, actions) : null,
  ].filter(Boolean), { center: true });
}

function skeleton() {
  const bone = (width, height) => {
    const element = h('div', { class: 'bone' });
    element.style.width = width;
    element.style.height = height;
    return element;
  };
  return [bone('48px', '48px'), bone('60%', '28px'), bone('90%', '20px'), bone('100%', '40px'), bone('100%', '40px')];
}

/** Black or white, whichever is easier to read on a colour (WCAG contrast). */
function readableOn(hex) {
  const parts = /^#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(hex);
  if (!parts) return null;
  const [red, green, blue] = parts.slice(1).map((part) => {
    const level = parseInt(part, 16) / 255;
    return level <= 0.03928 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 ? '#ffffff' : '#000000';
}

function applySettings(settings) {
  if (!settings) return;
  const root = document.documentElement;
  const theme = query.get('theme') || settings.defaultTheme || 'system';
  const dark = theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  root.dataset.theme = dark ? 'dark' : 'light';
  const colour = settings.theme?.[dark ? 'dark' : 'light']?.primary;
  const ink = colour && readableOn(colour);
  if (ink) {
    root.style.setProperty('--accent', colour);
    root.style.setProperty('--on-accent', ink);
  }
  $('footer').hidden = settings.showWatermark === false;
  $('footer').textContent = text('by');
}

// ------------------------------------------------------------------------------------------------------- protocol

const framed = window.parent !== window;
const own = document.querySelector('meta[name="tenon-api"]').content;
// Beside its API the page stands at `…/connect-ui/`; on a listener of its own it is told where the API is.
const ownApi = own ? new URL(own) : new URL(location.href.split(/[?#]/)[0].replace(/connect-ui\/[^/]*$/, ''));

/** The API of this page, or null when `apiURL` names a server that this page must not talk to. */
function apiOf(given) {
  if (!given) return ownApi;
  let url;
  try { url = new URL(given); } catch { return null; }
  if (url.origin === 'https://api.nango.dev') return ownApi;
  if (url.origin === ownApi.origin || url.origin === location.origin) return url;
  // The same machine under another of its names, such as 127.0.0.1 for localhost, is known by the port of the API.
  const sameMachine = url.hostname === location.hostname && url.protocol === ownApi.protocol && url.port === ownApi.port;
  return sameMachine ? url : null;
}

const api = apiOf(query.get('apiURL'));
const endpoint = (path) => new URL(path.replace(/^\//, ''), api.href.endsWith('/') ? api : `${api.href}/`);

let host = '*'; // the origin that gave us the token
const tell = (type, payload) => framed && window.parent.postMessage(payload ? { type, payload } : { type }, host);

class ApiFailure extends Error {
  constructor(status, code, messageText, body) {
    super(messageText);
    Object.assign(this, { status, code, body });
  }
}

async function call(method, path, { body, token = session.token } = {}) {
  let response;
  try {
    response = await fetch(endpoint(path), {
      method,
      headers: {
        'Accept-Language': language,
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (cause) {
    throw new ApiFailure(0, 'network', String(cause));
  }
  const raw = await response.text();
  let data = null;
  try { data = raw ? JSON.parse(raw) : null; } catch { /* an answer of something in between */ }
  if (!response.ok) {
    const failure = data?.error ?? {};
    throw new ApiFailure(response.status, failure.code ?? 'unknown_error', failure.message ?? `HTTP ${response.status}`, data ?? raw.slice(0, 2000));
  }
  return data;
}

function note(event, integration) {
  if (!session.token) return;
  const body = { token: session.token, event, timestamp: new Date().toISOString(), ...(integration ? { dimensions: { integration } } : {}) };
  navigator.sendBeacon?.(endpoint('/connect/telemetry'), new Blob([JSON.stringify(body)], { type: 'application/json' }));
}

function close(event = 'click:close') {
  if (page.leaveGuard && page.state === 'form' && !confirm(text('leave'))) return;
  note(event, session.integration?.unique_key);
  attempt?.end();
  tell('close');
  if (!framed) message('closed', { icon: 'ok', title: text('tab') });
}

// -------------------------------------------------------------------------------------------------------- session

const session = { token: null, data: null, list: [], integration: null, provider: null };

async function start(token) {
  if (session.token === token) return;
  Object.assign(session, { token, integration: null, provider: null });
  show('loading', skeleton(), { heading: text('waiting') });
  await load();
}

async function load(wait = 1000) {
  const token = session.token;
  try {
    const [{ data }, { data: list }] = await Promise.all([call('GET', '/connect/session'), call('GET', '/integrations')]);
    if (token !== session.token) return;
    const allowed = data.allowed_integrations;
    session.data = data;
    session.list = allowed?.length ? list.filter((item) => allowed.includes(item.unique_key)) : list;
    applySettings(data.connectUISettings);
    note('open');
    if (session.list.length === 1) await choose(session.list[0]);
    else showList();
  } catch (failure) {
    if (token !== session.token) return;
    if (failure.status === 401) return showExpired();
    if (failure.code === 'network') {
      message('offline', { icon: 'wait', title: text('offline'), hint: text('offlineHint') });
      later(wait, () => load(Math.min(wait * 2, 15000)));
      return;
    }
    showFailure(failure, () => load());
  }
}

async function choose(integration) {
  session.integration = integration;
  note('click:integration', integration.unique_key);
  remember(integration.unique_key);
  show('loading', skeleton(), { heading: nameOf(integration) });
  try {
    const { data } = await call('GET', `/providers/${encodeURIComponent(integration.provider)}`);
    session.provider = data;
    showForm();
  } catch (failure) {
    if (failure.status === 401) showExpired();
    else showFailure(failure, () => choose(integration));
  }
}

const RECENT = 'tenon-connect-recent';
const recent = () => { try { return JSON.parse(localStorage.getItem(RECENT)) ?? []; } catch { return []; } };
function remember(key) {
  try { localStorage.setItem(RECENT, JSON.stringify([key, ...recent().filter((other) => other !== key)].slice(0, 5))); } catch { /* no storage here */ }
}

const nameOf = (integration) => integration.display_name || session.provider?.display_name || integration.unique_key;

// --------------------------------------------------------------------------------------------------------- fields

const POPUP = ['OAUTH1', 'OAUTH2', 'APP', 'CUSTOM', 'MCP_OAUTH2', 'MCP_OAUTH2_GENERIC', 'INSTALL_PLUGIN'];
const secret = { secret: true };
const BASE = {
  API_KEY: { apiKey: secret },
  BASIC: { username: {}, password: { ...secret, optional: true } },
  SIGNATURE: { username: {}, password: secret },
  OAUTH2_CC: { client_id: {}, client_secret: secret },
  TBA: { oauth_client_id_override: { optional: true }, oauth_client_secret_override: { ...secret, optional: true }, token_id: {}, token_secret: secret },
  BILL: { username: {}, password: secret, organization_id: {}, dev_key: secret },
  AWS_SIGV4: { role_arn: {} },
};
const TITLES = {
  apiKey: 'API key', username: 'User name', password: 'Password', client_id: 'Client ID', client_secret: 'Client secret',
  client_certificate: 'Client certificate', client_private_key: 'Client private key', token_id: 'Token ID', token_secret: 'Token secret',
  oauth_client_id_override: 'OAuth client ID', oauth_client_secret_override: 'OAuth client secret', oauth_refresh_token_override: 'Refresh token',
  organization_id: 'Organization ID', dev_key: 'Developer key', role_arn: 'Role ARN',
};
const OVERRIDES = ['oauth_client_id_override', 'oauth_client_secret_override', 'oauth_refresh_token_override'];

/** What is asked and what is sent without asking: `[{ name, group, definition, required, value }]`, hidden ones marked. */
function fieldsOf(provider, integration, preset, reconnecting) {
  const mode = provider.auth_mode;
  const preconfigured = integration.preconfigured_credentials ?? [];
  const fields = [];
  const add = (group, name, definition, extra = {}) => {
    const value = definition.default_value ?? '';
    fields.push({ group, name, definition, value, shown: !definition.hidden, required: !definition.optional && definition.default_value === undefined, ...extra });
  };

  const credentials = { ...BASE[mode] };
  if (mode === 'OAUTH2_CC' && provider.token_request_auth_method === 'private_key_jwt') credentials.client_secret = { ...secret, optional: true };
  if (mode === 'OAUTH2_CC' && provider.require_client_certificate) {
    Object.assign(credentials, { client_certificate: { multiline: true }, client_private_key: { ...secret, multiline: true } });
  }
  for (const [name, definition] of Object.entries(provider.credentials ?? {})) {
    // What a mode itself needs keeps being secret, whatever the provider's text says about it.
    credentials[name] = { ...credentials[name], ...definition };
  }
  if (mode === 'TWO_STEP') {
    for (const [name, definition] of Object.entries(provider.integration_config ?? {})) credentials[name] ??= definition;
  }
  for (const [name, definition] of Object.entries(credentials)) {
    const unasked = definition.automated || preconfigured.includes(name);
    if (!unasked) add('credentials', name, integration.credentials_label?.[name] ? { ...definition, title: integration.credentials_label[name] } : definition);
  }
  const defaults = preset?.connection_config ?? {};
  if (mode === 'OAUTH2') {
    for (const name of OVERRIDES.filter((name) => name in defaults)) {
      const value = String(defaults[name] ?? '');
      add('credentials', name, name.includes('id') ? {} : secret, { value, shown: value === '', required: value === '' });
    }
  }
  for (const [name, definition] of Object.entries(provider.connection_config ?? {})) {
    if (!definition.automated && !(name in defaults)) add('params', name, definition);
  }
  if (mode === 'AWS_SIGV4' && !reconnecting) {
    add('params', 'external_id', { title: 'External ID', fixed: true, description: text('external') }, { value: crypto.randomUUID(), required: false });
  }
  for (const [name, definition] of Object.entries(provider.assertion_option ?? {})) {
    if (!definition.automated) add('assertion', name, { ...definition, multiline: /key|cert/i.test(name) });
  }
  const rank = (field) => field.definition.order ?? Infinity;
  const place = fields.map((field, index) => [field, index]);
  place.sort(([a, i], [b, j]) => (rank(a) === rank(b) ? i - j : rank(a) - rank(b)));
  return place.map(([field]) => field);
}

const FORMATS = {
  hostname: (value) => /^(?=.{1,253}(:\d+)?$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*(:\d{1,5})?$/i.test(value),
  uuid: (value) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value),
  email: (value) => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value),
  uri: (value) => { try { return /^https?:$/.test(new URL(value).protocol); } catch { return false; } },
};

/** The complaint about a value, or null. The server says the same and has the last word. */
function complaint(field, value) {
  const { format, pattern } = field.definition;
  if (value === '') return field.required ? text('required') : null;
  if (format && FORMATS[format] && !FORMATS[format](value)) return text(`bad_${format}`);
  if (pattern) {
    let rule = null;
    try { rule = new RegExp(pattern); } catch { /* the server knows */ }
    if (rule && !rule.test(value)) return text('bad_pattern');
  }
  return null;
}

const visible = (field, values) => {
  const when = field.definition.visible_when;
  return field.shown && (!when || (values[when.field] ?? '') === when.equals);
};

/** People paste the whole address where a part is asked: `https://acme.zendesk.com` for `acme`. */
function trimmed(field, value) {
  const { prefix = '', suffix = '', secret: isSecret, multiline } = field.definition;
  let result = multiline ? value : value.trim();
  if (isSecret) return result;
  if (prefix && result.startsWith(prefix)) result = result.slice(prefix.length);
  const behind = result.replace(/\/$/, '');
  if (suffix && behind.endsWith(suffix)) result = behind.slice(0, -suffix.length);
  return result;
}

// ------------------------------------------------------------------------------------------------------- attempts

const POST_ROUTES = {
  API_KEY: 'api-auth/api-key', BASIC: 'api-auth/basic', OAUTH2_CC: 'oauth2/auth', TWO_STEP: 'auth/two-step', JWT: 'auth/jwt',
  SIGNATURE: 'auth/signature', TBA: 'auth/tba', BILL: 'auth/bill', AWS_SIGV4: 'auth/aws-sigv4', NONE: 'auth/unauthenticated',
};

const grouped = (fields, values, group) =>
  Object.fromEntries(fields.filter((field) => field.group === group).map((field) => [field.name, values[field.name] ?? field.value]).filter(([, value]) => value !== ''));

/** The query that both families of routes share. */
function flowQuery(fields, values) {
  const search = new URLSearchParams({ connect_session_token: session.token });
  for (const [name, value] of Object.entries(grouped(fields, values, 'params'))) search.set(`params[${name}]`, value);
  const preset = session.data.integrations_config_defaults?.[session.integration.unique_key];
  for (const [name, value] of Object.entries(preset?.authorization_params ?? {})) search.set(`authorization_params[${name}]`, value ?? 'undefined');
  const credentials = grouped(fields, values, 'credentials');
  for (const name of OVERRIDES) if (credentials[name]) search.set(`credentials[${name}]`, credentials[name]);
  return search;
}

function bodyOf(provider, fields, values) {
  const mode = provider.auth_mode;
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

let attempt = null;

/** One try to connect. It ends once; a success may still come after the host was told that the window was closed. */
class Attempt {
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

  succeed(result) {
    if (this.over) return;
    this.end();
    note('view:success', this.key);
    tell('connect', result);
    showSuccess(result);
  }

  fail(failure) {
    if (this.over) return;
    this.report(failure.code, failure.message);
    this.end();
    note('view:credentials_error', this.key);
    if (failure.status === 401) showExpired();
    else if (failure.code === 'resource_capped') showCapped();
    else showFailure(failure, showForm);
  }

  end() {
    this.over = true;
    clearInterval(this.watch);
    if (attempt === this) attempt = null;
  }
}

// The socket is opened with the form, so that a click can open the final address at once: no blank window, and a plain
// link works where windows are blocked.
const socket = { live: null, id: null, wait: 500, waiting: [] };

function openSocket() {
  if (socket.live) return;
  const url = endpoint('/');
  const path = session.data.websocketsPath;
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

const socketId = () => (socket.id ? Promise.resolve(socket.id) : new Promise((ready) => socket.waiting.push(ready)));

async function connectByPopup(fields, values) {
  const current = new Attempt(session.integration);
  const address = (id) => {
    const url = endpoint(`/oauth/connect/${encodeURIComponent(current.key)}`);
    const search = flowQuery(fields, values);
    if (id) search.set('ws_client_id', id);
    url.search = search;
    return url.href;
  };
  const left = Math.max(0, screenX + (outerWidth - 500) / 2);
  const top = Math.max(0, screenY + (outerHeight - 600) / 2);
  const features = `width=500,height=600,left=${left},top=${top},resizable,scrollbars`;
  const popup = window.open(socket.id ? address(socket.id) : '', '_blank', features);
  if (!popup) {
    note('popup:blocked_by_browser', current.key);
    const id = await Promise.race([socketId(), new Promise((ready) => setTimeout(ready, 3000))]);
    if (!current.over) showBlocked(current, address(id));
    return;
  }
  if (!socket.id) {
    const id = await Promise.race([socketId(), new Promise((ready) => setTimeout(ready, 5000))]);
    if (current.over) return;
    popup.location.replace(address(id));
  }
  showPopupOpen(current, popup);
}

async function connectByPost(fields, values) {
  const current = new Attempt(session.integration);
  const { provider, integration } = session;
  const route = provider.installation === 'outbound' ? 'auth/oauth-outbound' : POST_ROUTES[provider.auth_mode];
  showChecking();
  try {
    const path = `/${route}/${encodeURIComponent(integration.unique_key)}?${flowQuery(fields, values)}`;
    // The session travels in the query; a header of its own would only cost a round trip more.
    const result = await call('POST', path, { body: bodyOf(provider, fields, values), token: null });
    current.succeed(result ?? { providerConfigKey: integration.unique_key });
  } catch (failure) {
    current.fail(failure);
  }
}

function fromPopup(event) {
  const type = event.data?.type;
  if (type !== 'nango_oauth_callback_success' && type !== 'nango_oauth_callback_error') return;
  if (event.origin !== api.origin || event.source === window) return;
  event.source?.postMessage?.({ type: 'nango_oauth_callback_ack' }, event.origin);
  settleFromCallback(event.data);
}

/** The callback page spoke. A success carries no ids, so that the socket has to bring them; an error is complete. */
function settleFromCallback(data) {
  if (!attempt) return;
  if (data.type === 'nango_oauth_callback_error') {
    const { errorType, message: reason } = data.payload ?? {};
    attempt.fail(new ApiFailure(400, errorType ?? 'connection_validation_failed', reason ?? ''));
  } else {
    openSocket();
  }
}

// ---------------------------------------------------------------------------------------------------------- views

function showList(search = '') {
  session.integration = null;
  session.provider = null;
  note('view:list');
  const order = recent();
  const rank = (item) => (order.includes(item.unique_key) ? order.indexOf(item.unique_key) : Infinity);
  const items = [...session.list].sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
  const list = h('ul', { class: 'list' });
  const none = h('p', { hidden: true });
  const fill = (wantedText) => {
    const words = wantedText.trim().toLowerCase();
    const found = items.filter((item) => `${nameOf(item)} ${item.unique_key}`.toLowerCase().includes(words));
    list.replaceChildren(...found.map((item) =>
      h('li', {}, h('button', { type: 'button', class: 'choice', click: () => choose(item) },
        h('img', { src: item.logo, alt: '', width: 32, height: 32 }), h('span', {}, nameOf(item)), shape('arrow', 16, 'arrow')))));
    none.hidden = found.length > 0;
    none.textContent = items.length ? text('noMatch', { q: wantedText }) : text('empty');
  };
  list.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...list.querySelectorAll('button')];
    buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length]?.focus();
  });
  const box = items.length > 8 && h('div', { class: 'box search' },
    h('input', { type: 'search', placeholder: text('search'), 'aria-label': text('search'), input: (event) => fill(event.target.value) }));
  fill(search);
  show('list', [h('h1', {}, text('choose')), h('p', {}, text('chooseHint')), box, list, none].filter(Boolean));
}

const kept = new Map(); // values of forms, secrets never

function showForm(problems = {}) {
  const { integration, provider, data } = session;
  const name = nameOf(integration);
  const popup = POPUP.includes(provider.auth_mode) && provider.installation !== 'outbound';
  const preset = data.integrations_config_defaults?.[integration.unique_key];
  const fields = fieldsOf(provider, integration, preset, data.isReconnecting);
  const asked = fields.filter((field) => field.shown);
  const values = { ...Object.fromEntries(fields.map((field) => [field.name, field.value])), ...kept.get(integration.unique_key) };
  if (popup) openSocket();
  note('view:integration', integration.unique_key);
  page.leaveGuard = false;

  const rows = new Map();
  const refresh = () => rows.forEach(({ element }, field) => { element.hidden = !visible(field, values); });
  const complain = (field, problem) => {
    const { element, input, error } = rows.get(field);
    element.classList.toggle('bad', Boolean(problem));
    error.hidden = !problem;
    error.textContent = problem ?? '';
    if (problem) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
  };
  for (const field of asked) {
    const row = fieldRow(field, values[field.name], (value) => {
      values[field.name] = value;
      page.leaveGuard = true;
      complain(field, null);
      refresh();
    });
    row.input.addEventListener?.('change', () => {
      const value = trimmed(field, values[field.name]);
      if (value !== values[field.name]) row.input.value = values[field.name] = value;
      if (value) complain(field, complaint(field, value));
    });
    rows.set(field, row);
  }
  refresh();

  const submit = (event) => {
    event.preventDefault();
    let first = null;
    for (const field of asked.filter((one) => visible(one, values))) {
      values[field.name] = trimmed(field, values[field.name]);
      const problem = complaint(field, values[field.name]);
      complain(field, problem);
      if (problem) first ??= rows.get(field).input;
    }
    if (first) return first.focus();
    const sent = fields.filter((field) => !field.shown || visible(field, values));
    kept.set(integration.unique_key, Object.fromEntries(asked.filter((field) => !field.definition.secret && !isSecretName(field)).map((field) => [field.name, values[field.name]])));
    note('click:connect', integration.unique_key);
    if (popup) connectByPopup(sent, values);
    else connectByPost(sent, values);
  };

  const docs = data.overrides?.[integration.unique_key]?.docs_connect ?? provider.docs_connect;
  const hint = asked.length ? text('fill', { name }) : text(popup ? 'popupHint' : 'nothing', { name });
  show('form', [
    h('img', { class: 'logo', src: integration.logo ?? provider.logo_url, alt: '', width: 48, height: 48 }),
    h('h1', {}, text(data.isReconnecting ? 'again' : 'link', { name })),
    h('p', {}, hint, ' ', docs && asked.length ? h('a', { href: docs, target: '_blank', rel: 'noopener', click: () => note('click:doc', integration.unique_key) }, text('guide')) : ''),
    asked.length && popup ? h('p', { class: 'small' }, text('popupHint', { name })) : null,
    h('form', { novalidate: true, autocomplete: 'off', submit }, [...rows.values()].map((row) => row.element),
      h('div', { class: 'actions' }, h('button', { class: 'button', type: 'submit' }, text('connect')))),
  ].filter(Boolean), { back: session.list.length > 1 ? () => showList() : undefined });
  for (const [field] of rows) if (problems[field.name]) complain(field, problems[field.name]);
}

const isSecretName = (field) => field.group === 'credentials' && /secret|password|key|token/i.test(field.name);

function fieldRow(field, value, change) {
  const { definition, name } = field;
  const id = `field-${name.replace(/\W/g, '_')}`;
  const hidden = definition.secret || BASE[session.provider.auth_mode]?.[name]?.secret;
  const described = `${id}-hint ${id}-error`;
  const common = { id, name, 'aria-describedby': described, 'aria-required': field.required ? 'true' : 'false', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none' };
  let input;
  let extra = null;
  if (definition.fixed) {
    input = h('output', { id }, value);
    extra = h('button', { type: 'button', class: 'link affix', click: async (event) => { await navigator.clipboard?.writeText(value); event.target.textContent = text('copied'); } }, text('copy'));
  } else if (definition.enum) {
    input = h('select', { ...common, change: (event) => change(event.target.value) },
      value === '' ? h('option', { value: '' }, field.required ? text('pick') : '') : null,
      definition.enum.map((option) => h('option', { value: option, selected: option === value }, option)));
  } else if (definition.multiline || /private_?key|certificate/i.test(name)) {
    input = h('textarea', { ...common, rows: 4, input: (event) => change(event.target.value) });
    input.value = value;
  } else {
    const kind = hidden ? 'password' : definition.format === 'email' ? 'email' : 'text';
    input = h('input', { ...common, type: kind, placeholder: definition.example ?? '', input: (event) => change(event.target.value), ...(hidden ? { autocomplete: 'new-password' } : {}) });
    input.value = value;
    if (hidden) {
      extra = h('button', { type: 'button', class: 'link affix', 'aria-pressed': 'false', click: (event) => {
        const reveal = input.type === 'password';
        input.type = reveal ? 'text' : 'password';
        event.target.textContent = text(reveal ? 'hide' : 'show');
        event.target.setAttribute('aria-pressed', String(reveal));
      } }, text('show'));
    }
  }
  const error = h('p', { class: 'error', id: `${id}-error`, hidden: true });
  const element = h('div', { class: 'field' },
    h('label', { for: id }, definition.title ?? TITLES[name] ?? name, field.required || definition.fixed ? '' : h('small', {}, ` · ${text('optional')}`)),
    h('div', { class: 'box' },
      definition.prefix ? h('span', { class: 'affix', 'aria-hidden': 'true' }, definition.prefix) : null, input,
      definition.suffix ? h('span', { class: 'affix', 'aria-hidden': 'true' }, definition.suffix) : null, extra),
    h('p', { class: 'hint', id: `${id}-hint`, hidden: !definition.description }, definition.description ?? ''), error);
  return { element, input, error };
}

function showChecking() {
  const time = h('p', {});
  show('checking', [mark('run', 'run'), h('h1', {}, text('checking')), time], { center: true });
  let seconds = 0;
  const tick = () => {
    seconds += 1;
    if (seconds >= 2) time.textContent = text('seconds', { n: seconds });
    later(1000, tick);
  };
  later(1000, tick);
}

function showPopupOpen(current, popup) {
  const name = nameOf(session.integration);
  const cancel = () => { popup.close(); current.end(); showForm(); };
  const view = (closed) => message('popup-open', {
    icon: 'window',
    title: text(closed ? 'closed' : 'other'),
    hint: text(closed ? 'closedHint' : 'otherHint', { name }),
    actions: closed ? [button(text('retry'), () => { current.end(); showForm(); })]
      : [button(text('front'), () => popup.focus()), button(text('cancel'), cancel, true)],
  });
  view(false);
  current.watch = setInterval(() => {
    if (!popup.closed) return;
    clearInterval(current.watch);
    // A provider that isolates its pages looks closed although the login goes on: the socket stays, a success still wins.
    setTimeout(() => {
      if (current.over) return;
      note('popup:closed_early', current.key);
      view(true);
      if (query.get('detectClosedAuthWindow') === 'true') current.report('window_closed', 'the window was closed before the access was allowed');
    }, 1000);
  }, 500);
}

function showBlocked(current, address) {
  const name = nameOf(session.integration);
  current.report('blocked_by_browser', 'the browser did not open a window');
  const open = h('a', { class: 'button', href: address, target: '_blank', rel: 'noopener', click: () => setTimeout(() => !current.over && message('popup-open', {
    icon: 'window', title: text('other'), hint: text('otherHint', { name }),
    actions: [button(text('cancel'), () => { current.end(); showForm(); }, true)],
  }), 0) }, text('openLink', { name }));
  message('popup-blocked', { icon: 'window', title: text('blocked'), hint: text('blockedHint', { name }), actions: [open, button(text('retry'), () => { current.end(); showForm(); }, true)] });
}

const CAUSES = [
  [/^(connection_test_failed|connection_validation_failed|invalid_credentials|invalid_body|two_step_credentials_fetch_error|client_credentials_fetch_error)$/, 'why_credentials'],
  [/access_denied|user_denied|consent_required/, 'why_denied'],
  [/^(provider_config_err|unknown_provider_config|unknown_provider_template|invalid_auth_mode|auth_mode_err|url_param_err|unknown_config_key|integration_not_allowed|grant_type_err)$/, 'why_config'],
  [/^network$/, 'why_network'],
];

function showFailure(failure, again) {
  const name = session.integration ? nameOf(session.integration) : '';
  const evidence = `${failure.code} ${failure.message}`;
  const cause = CAUSES.find(([pattern]) => pattern.test(failure.code))?.[1] ?? (/access_denied/.test(evidence) ? 'why_denied' : 'why_unknown');
  if (!session.integration) note('view:unknown_error');
  const details = `${failure.code}\n${failure.message}`;
  message('failed', {
    icon: 'err', kind: 'err', title: name ? text('failed', { name }) : text('offline'), hint: text(cause, { name }),
    more: [h('details', {}, h('summary', {}, text('details')), h('pre', {}, details),
      h('button', { type: 'button', class: 'link', click: async (event) => { await navigator.clipboard?.writeText(details); event.target.textContent = text('copied'); } }, text('copy')))],
    actions: [button(text('retry'), () => again())],
  });
}

function showSuccess(result) {
  page.leaveGuard = false;
  socket.live?.close();
  const name = nameOf(session.integration);
  message('success', {
    icon: 'ok', kind: 'ok', title: text(result.isPending ? 'pending' : 'done', { name }),
    hint: framed ? text('doneHint') : text('tab'),
    actions: framed ? [button(text('finish'), () => close('click:finish'))] : [],
  });
}

const showExpired = () => message('expired', { icon: 'wait', title: text('expired'), hint: text('expiredHint') });
const showCapped = () => message('capped', { icon: 'wait', title: text('capped'), hint: text('cappedHint') });

// ---------------------------------------------------------------------------------------------------------- start

function trapFocus(event) {
  if (event.key === 'Escape') return close('click:close');
  if (event.key !== 'Tab') return;
  const reachable = [...$('card').querySelectorAll('button, a[href], input, select, textarea, summary')].filter((element) => element.offsetParent && !element.disabled);
  const edge = event.shiftKey ? reachable[0] : reachable.at(-1);
  if (document.activeElement === edge || (event.shiftKey && document.activeElement === $('heading'))) {
    event.preventDefault();
    (event.shiftKey ? reachable.at(-1) : reachable[0])?.focus();
  }
}

function begin() {
  document.documentElement.lang = language;
  document.title = text('title');
  $('close').setAttribute('aria-label', text('close'));
  $('back').setAttribute('aria-label', text('back'));
  document.body.classList.toggle('page', !framed);
  document.body.classList.toggle('embedded', query.get('embedded') === 'true');
  const theme = query.get('theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  $('close').hidden = !framed;
  $('close').onclick = () => close();
  $('backdrop').addEventListener('mousedown', (event) => { if (framed && event.target === $('backdrop')) close('click:outside'); });
  document.addEventListener('keydown', trapFocus);
  if (!api) {
    message('bad-api', { icon: 'err', kind: 'err', title: text('badApi'), hint: text('badApiHint', { url: query.get('apiURL') }) });
    return;
  }

  window.addEventListener('message', (event) => {
    if (event.source === window.parent && framed) {
      const { type, sessionToken, payload } = event.data ?? {};
      if (type === 'session_token' && typeof sessionToken === 'string') {
        host = event.origin === 'null' ? '*' : event.origin;
        start(sessionToken);
      } else if (type === 'settings_changed' && query.get('preview') === 'true') {
        applySettings(payload);
      }
    }
    fromPopup(event);
  });
  if ('BroadcastChannel' in window && api.origin === location.origin) {
    new BroadcastChannel('nango-oauth-callback').onmessage = ({ data }) => settleFromCallback(data);
  }

  const token = query.get('session_token');
  if (token) {
    const clean = new URL(location.href);
    clean.searchParams.delete('session_token');
    history.replaceState(null, '', clean);
    tell('ready');
    start(token);
    return;
  }
  if (!framed) {
    message('no-token', { icon: 'wait', title: text('noToken'), hint: text('noTokenHint') });
    return;
  }
  show('wait-token', skeleton(), { heading: text('waiting') });
  later(3000, () => $('main').append(h('p', {}, text('waiting'))));
  later(10000, () => message('no-token', { icon: 'wait', title: text('noToken'), hint: text('noTokenHint') }));
  tell('ready');
}

begin();
