// Which fields a form has and what they take (connect-ui-and-dashboard.md, B2). Nothing here touches the page.

export const POPUP = ['OAUTH1', 'OAUTH2', 'APP', 'CUSTOM', 'MCP_OAUTH2', 'MCP_OAUTH2_GENERIC', 'INSTALL_PLUGIN'];
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
const TITLES = { apiKey: 'API key', username: 'User name', dev_key: 'Developer key' };
export const OVERRIDES = ['oauth_client_id_override', 'oauth_client_secret_override', 'oauth_refresh_token_override'];

/** `oauth_client_id_override` is a client ID. */
export function titleOf({ definition, name }) {
  const words = name.replace(/^oauth_|_override$/g, '').replace(/_/g, ' ').replace(/\b(id|arn|url)\b/g, (word) => word.toUpperCase());
  return definition.title || TITLES[name] || words[0].toUpperCase() + words.slice(1);
}

/** Never kept, and shown only on demand. */
export const isSecret = ({ definition, group, name }) =>
  Boolean(definition.secret) || /password|secret$/i.test(name) || (group === 'credentials' && /secret|private|api_?key|token$/i.test(name) && definition.format !== 'uri');

// `crypto.randomUUID` exists in secure contexts only.
const uuid = () => '10000000-1000-4000-8000-100000000000'.replace(/[018]/g, (digit) =>
  (+digit ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (+digit / 4)))).toString(16));

/** What is asked and what is sent without asking: `[{ name, group, definition, required, value, shown, slot }]`. */
export function fieldsOf({ provider, integration, preset, reconnecting, settings = [] }) {
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
    add('params', 'external_id', { fixed: true, explained: 'external' }, { value: uuid(), required: false });
  }
  for (const [name, definition] of Object.entries(provider.assertion_option ?? {})) {
    if (!definition.automated) add('assertion', name, { ...definition, multiline: /key|cert/i.test(name) });
  }
  const rank = (field) => field.definition.order ?? 1e9;
  const all = [...fields.sort((a, b) => rank(a) - rank(b)), ...settings];
  // A provider may use one name twice, as for a key and the key's secret.
  for (const [at, field] of all.entries()) field.slot = all.findIndex(({ name }) => name === field.name) < at ? `${field.group}.${field.name}` : field.name;
  return all;
}

const FORMATS = {
  hostname: (value) => /^(?=.{1,253}(:\d+)?$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*(:\d{1,5})?$/i.test(value),
  uuid: (value) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value),
  email: (value) => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value),
  uri: (value) => { try { return /^https?:$/.test(new URL(value).protocol); } catch { return false; } },
};

/** The key of the complaint about a value, or null. The server says the same and has the last word. */
export function complaint({ definition, required, kind }, value) {
  const { format, pattern, minimum = -Infinity, maximum = Infinity, minLength = 0, maxLength = Infinity } = definition;
  if (value === '') return required ? 'required' : null;
  if (FORMATS[format]?.(value) === false) return `bad_${format}`;
  if (kind === 'number' || kind === 'integer') {
    const number = Number(value);
    const fits = Number.isFinite(number) && number >= minimum && number <= maximum && (kind === 'number' || Number.isInteger(number));
    return fits ? null : 'bad_number';
  }
  let rule = null;
  // Browsers may not know the pattern; the server does.
  try { rule = pattern && new RegExp(pattern); } catch {}
  return rule && !rule.test(value) || value.length < minLength || value.length > maxLength ? 'bad_pattern' : null;
}

export const visible = (field, values) => {
  const when = field.definition.visible_when;
  return field.shown && (!when || (values[when.field] ?? '') === when.equals);
};

/** People paste the whole address where a part is asked: `https://acme.zendesk.com` for `acme`. */
export function trimmed(field, value) {
  const { prefix = '', suffix = '', multiline } = field.definition;
  let result = multiline ? value : value.trim();
  if (isSecret(field)) return result;
  if (prefix && result.startsWith(prefix)) result = result.slice(prefix.length);
  else if (suffix) result = result.replace(/^https?:../, '');
  const behind = result.replace(/\/$/, '');
  if (suffix && behind.endsWith(suffix)) result = behind.slice(0, -suffix.length);
  return result;
}

/** Values of a group by name, those without a value left out. */
export const grouped = (fields, values, group) =>
  Object.fromEntries(fields.filter((field) => field.group === group).map((field) => [field.name, values[field.slot] ?? field.value]).filter(([, value]) => value !== ''));
