// What each state shows (connect-ui-and-dashboard.md, B1).

import { call, depart, framed, note, part, session } from './api.js';
import { POPUP, complaint, fieldsOf, isSecret, titleOf, trimmed, visible } from './fields.js';
import { Attempt, attempt, connectByPopup, connectByPost, leave, openSocket, socket, watchClosed } from './flow.js';
import { $, button, copier, h, later, link, mark, message, page, quiet, shape, show, skeleton } from './page.js';
import { beside, text, title } from './words.js';

export const nameOf = (integration) => integration.display_name || session.provider?.display_name || integration.unique_key;
const currentName = () => (session.integration ? nameOf(session.integration) : '');

export function close(event = 'click:close') {
  if (page.leaveGuard && ['form', 'failed'].includes(page.state) && !confirm(text('leave'))) return;
  note(event, session.integration?.unique_key);
  attempt?.end();
  leave();
  depart();
}

export async function choose(integration) {
  Object.assign(session, { integration, provider: null, fields: null, settings: [] });
  note('click:integration', integration.unique_key);
  remember(integration.unique_key);
  show('loading', skeleton(), { heading: nameOf(integration) });
  try {
    const [provider, asked] = await Promise.all([
      call('GET', `/providers/${part(integration.provider)}`), call('GET', `/connect/settings/${part(integration.unique_key)}`),
    ]);
    session.provider = provider.data;
    if (asked.data.fields.length) {
      const { settingField, metadataOf } = await beside('settings.js');
      Object.assign(session, { metadataOf, settings: asked.data.fields.map(settingField) });
    }
    showForm();
  } catch (failure) {
    showTrouble(failure, () => choose(integration));
  }
}

const RECENT = 'tenon-connect-recent';
const recent = () => { try { return JSON.parse(localStorage.getItem(RECENT)) ?? []; } catch { return []; } };
function remember(key) {
  // Some browsers have no storage in frames.
  try { localStorage.setItem(RECENT, JSON.stringify([key, ...recent().filter((other) => other !== key)].slice(0, 5))); } catch {}
}

export function showList() {
  leave();
  Object.assign(session, { integration: null, provider: null, fields: null, settings: [] });
  note('view:list');
  const order = recent().reverse();
  const items = [...session.list].sort((a, b) => order.indexOf(b.unique_key) - order.indexOf(a.unique_key));
  const list = h('ul', { class: 'list' });
  const none = h('p', { role: 'status' });
  const fill = (wanted) => {
    const words = wanted.trim().toLowerCase();
    const found = items.filter((item) => `${nameOf(item)} ${item.unique_key}`.toLowerCase().includes(words));
    list.replaceChildren(...found.map((item) =>
      h('li', {}, h('button', { type: 'button', class: 'choice', click: () => choose(item) },
        h('img', { src: item.logo, alt: '', width: 32, height: 32, loading: 'lazy' }), h('span', {}, nameOf(item)), shape('arrow', 16, 'arrow')))));
    none.textContent = found.length ? '' : items.length ? text('noMatch', { q: wanted }) : text('empty');
  };
  const box = items.length > 8 && h('div', { class: 'box search' },
    h('input', { type: 'search', placeholder: text('search'), 'aria-label': text('search'), input: (event) => fill(event.target.value) }));
  fill('');
  show('list', [h('h1', {}, text('choose')), h('p', {}, text('chooseHint')), box, list, none]);
  $('main').onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || page.state !== 'list') return;
    event.preventDefault();
    const buttons = [...list.querySelectorAll('button')];
    const at = buttons.indexOf(document.activeElement);
    buttons[at < 0 ? (step > 0 ? 0 : buttons.length - 1) : (at + step + buttons.length) % buttons.length]?.focus();
  };
}

// Values of forms, secrets never.
const kept = new Map();

export function showForm(problems = {}) {
  if (session.ended) return showExpired();
  const { integration, provider, data, settings } = session;
  if (!provider) return choose(integration);
  const name = nameOf(integration);
  const key = integration.unique_key;
  const popup = POPUP.includes(provider.auth_mode) && provider.installation !== 'outbound';
  const preset = data.integrations_config_defaults?.[key];
  const fields = fieldsOf({ provider, integration, preset, reconnecting: data.isReconnecting, settings });
  const asked = fields.filter((field) => field.shown);
  session.fields = asked;
  const values = { ...Object.fromEntries(fields.map((field) => [field.slot, field.value])), ...kept.get(key) };
  if (popup) openSocket();
  note('view:integration', key);
  page.leaveGuard = false;

  const rows = new Map();
  const refresh = () => rows.forEach(({ element }, field) => { element.hidden = !visible(field, values); });
  const complain = (field, problem) => {
    const { element, input, error } = rows.get(field);
    element.classList.toggle('bad', Boolean(problem));
    error.hidden = !problem;
    error.textContent = problem ?? '';
    input.setAttribute('aria-invalid', String(Boolean(problem)));
    return problem ? input : null;
  };
  const check = (field) => {
    const problem = complaint(field, values[field.slot]);
    return complain(field, problem && text(problem));
  };
  for (const field of asked) {
    const row = fieldRow(field, values[field.slot], (value) => {
      values[field.slot] = value;
      page.leaveGuard = true;
      complain(field, null);
      refresh();
    });
    row.input.addEventListener('change', () => {
      const value = trimmed(field, values[field.slot]);
      if (value !== values[field.slot]) row.input.value = values[field.slot] = value;
      // Not at once: a complaint that moves the button away would swallow the click that left the field.
      if (value) setTimeout(check, 200, field);
    });
    rows.set(field, row);
  }
  refresh();

  const submit = (event) => {
    event.preventDefault();
    const wrong = asked.filter((field) => visible(field, values)).map((field) => {
      values[field.slot] = trimmed(field, values[field.slot]);
      return check(field);
    });
    const first = wrong.find(Boolean);
    if (first) return first.focus();
    const sent = fields.filter((field) => !field.shown || visible(field, values));
    kept.set(key, Object.fromEntries(asked.filter((field) => !isSecret(field)).map((field) => [field.slot, values[field.slot]])));
    note('click:connect', key);
    if (page.preview) page.preview();
    else if (popup) connectByPopup(sent, values);
    else connectByPost(sent, values);
  };

  const docs = data.overrides?.[key]?.docs_connect ?? provider.docs_connect;
  const { application, privacyUrl } = page.settings;
  const hint = asked.length ? text('fill', { name }) : text(popup ? 'popupHint' : 'nothing', { name });
  const elements = (extra) => [...rows].filter(([field]) => (field.group === 'settings') === extra).map(([, row]) => row.element);
  show(asked.length || !popup ? 'form' : 'ready-to-popup', [
    h('img', { class: 'logo', src: integration.logo ?? provider.logo_url, alt: '', width: 48, height: 48 }),
    h('h1', {}, text(data.isReconnecting ? 'again' : 'link', { name })),
    h('p', {}, hint, ' ', docs && asked.length ? link(text('guide'), docs, { click: () => note('click:doc', key) }) : ''),
    asked.length && popup ? h('p', { class: 'small' }, text('popupHint', { name })) : null,
    h('form', { novalidate: true, autocomplete: 'off', submit }, elements(false),
      settings.length ? h('fieldset', {}, h('legend', {}, text('settings')), elements(true)) : null,
      h('div', { class: 'actions' }, h('button', { class: 'button', type: 'submit' }, text('connect')),
        application || privacyUrl ? h('p', { class: 'small' }, application ? text('consent', { application, name }) : '', ' ',
          privacyUrl ? link(text('privacy'), privacyUrl) : '') : null)),
  ], { back: others() });
  const named = [...rows].filter(([field]) => problems[field.slot] && complain(field, problems[field.slot]));
  named[0]?.[1].input.focus();
}

function fieldRow(field, value, change) {
  const { definition, name, slot } = field;
  const id = `field-${slot.replace(/\W/g, '_')}`;
  const hidden = isSecret(field);
  const hint = definition.explained ? text(definition.explained) : definition.description;
  const common = {
    id, name, 'aria-describedby': `${id}-hint ${id}-error`, 'aria-required': String(field.required), autocomplete: hidden ? 'new-password' : 'off',
    spellcheck: 'false', autocapitalize: 'none',
  };
  const typed = { ...common, placeholder: definition.example ?? '', input: (event) => change(event.target.value) };
  const options = definition.enum ?? (field.kind === 'boolean' ? ['true', 'false'] : null);
  const affixed = { class: 'link affix' };
  let input;
  let extra = null;
  if (definition.fixed) {
    input = h('output', { id }, value);
    extra = copier(value, affixed);
  } else if (options) {
    input = h('select', { ...common, change: (event) => change(event.target.value) },
      value === '' || !field.required ? h('option', { value: '' }, field.required ? text('pick') : '') : null,
      options.map((option) => h('option', { value: option, selected: option === value }, field.kind === 'boolean' ? text(option === 'true' ? 'yes' : 'no') : option)));
  } else if (definition.multiline || /private_?key|certificate/i.test(name)) {
    input = h('textarea', { ...typed, rows: 4 });
    input.value = value;
  } else {
    const number = field.kind === 'number' || field.kind === 'integer';
    input = h('input', { ...typed, type: hidden ? 'password' : definition.format === 'email' ? 'email' : 'text', inputmode: number ? 'decimal' : null });
    input.value = value;
    if (hidden) {
      extra = quiet(text('show'), ({ target }) => {
        const reveal = input.type === 'password';
        input.type = reveal ? 'text' : 'password';
        target.textContent = text(reveal ? 'hide' : 'show');
        target.setAttribute('aria-pressed', reveal);
      }, { ...affixed, 'aria-pressed': 'false' });
    }
  }
  const affix = (part) => part && h('span', { class: 'affix', dir: 'ltr' }, part);
  const error = h('p', { class: 'error', id: `${id}-error`, role: 'alert', hidden: true });
  const element = h('div', { class: 'field' },
    h('label', { for: id }, title(titleOf(field)), field.required || definition.fixed ? '' : h('small', {}, ` · ${text('optional')}`)),
    h('div', { class: 'box' }, affix(definition.prefix), input, affix(definition.suffix), extra),
    h('p', { class: 'hint', id: `${id}-hint`, hidden: !hint }, hint ?? ''), error);
  return { element, input, error };
}

export function showChecking() {
  const time = h('p', {});
  show('checking', [mark('run'), h('h1', {}, text('checking')), time], { center: true });
  const tick = (seconds) => {
    if (seconds >= 2) time.textContent = text('seconds', { n: seconds });
    later(1000, () => tick(seconds + 1));
  };
  tick(0);
}

/** `popup` is the window, if we can reach it; `doubt`: it may be gone, as after a reload. */
export function showPopupOpen(current, popup, doubt = false) {
  const name = currentName();
  const away = () => { current.end(); showForm(); };
  const view = (closed) => message('popup-open', {
    icon: 'window',
    title: text(closed ? 'closed' : 'other'),
    hint: text(closed ? 'closedHint' : 'otherHint', { name }),
    actions: closed ? [button(text('retry'), away)]
      : [popup && button(text('front'), () => popup.focus()), button(text('cancel'), () => { popup?.close(); away(); }, true)],
  });
  view(doubt);
  watchClosed(current, popup, () => view(true));
}

export function showBlocked(current, address) {
  const name = currentName();
  const open = link(text('openLink', { name }), address, { class: 'button', click: () => setTimeout(() => {
    if (!current.over && page.state === 'popup-blocked') showPopupOpen(current, null);
  }, 0) });
  const again = button(text('retry'), () => { current.end(); showForm(); }, true);
  message('popup-blocked', { icon: 'window', title: text('blocked'), hint: text('blockedHint', { name }), actions: [open, again] });
}

const CAUSES = [
  [/^(connection_(test|validation)_failed|invalid_body|.*credentials.*|signature_token_generation_error)$/, 'why_credentials'],
  [/access_denied|user_denied|consent_required/, 'why_denied'],
  [/^(provider_config_err|unknown_provider_config|unknown_provider_template|invalid_auth_mode|auth_mode_err|unknown_config_key|integration_not_allowed|grant_type_err)$|redirect_uri|invalid_client/, 'why_config'],
  [/^(state_err|state_cookie_err)$/, 'why_state'],
  [/^url_param_err$/, 'why_params'],
  [/^network$/, 'why_network'],
];

/** The end of a try, in the state that says best what can be done. */
export function showTrouble(failure, again = () => showForm()) {
  if (failure.status === 401 || session.ended) return showExpired();
  if (failure.code === 'resource_capped') return message('capped', { icon: 'wait', title: text('capped'), hint: text('cappedHint'), more: support() });
  // The server named fields: they say it themselves.
  const problems = Object.fromEntries((failure.body?.errors ?? []).map(({ path = [], message: reason }) =>
    [path[0] === 'metadata' ? `settings.${path[1]}` : path.at(-1), reason]));
  if (session.fields?.some((field) => problems[field.slot])) return showForm(problems);
  const name = currentName();
  const causeIn = (evidence) => CAUSES.find(([pattern]) => pattern.test(evidence))?.[1];
  const cause = causeIn(failure.code) ?? causeIn(`${failure.code} ${failure.message}`) ?? 'why_unknown';
  if (!session.integration) note('view:unknown_error');
  const details = [failure.code, failure.message, session.reference && `${text('reference')}: ${session.reference}`].filter(Boolean).join('\n');
  message('failed', {
    icon: 'err', title: name ? text('failed', { name }) : text('offline'), hint: text(cause, { name }),
    more: [h('details', {}, h('summary', {}, text('details')), h('pre', { dir: 'ltr' }, details), copier(details)), ...support()],
    actions: [button(text('retry'), () => again())],
    back: others(),
  });
}

/** The way to the list, where it has more than one. */
const others = () => (session.list.length > 1 ? showList : null);
const support = () => (page.settings.supportUrl ? [h('p', {}, link(text('support'), page.settings.supportUrl))] : []);

/** Answers what names the account, which may be known a moment later. */
export function showSuccess(result) {
  page.leaveGuard = false;
  socket.live?.close();
  const name = currentName();
  const account = h('p', { role: 'status' });
  message('success', {
    icon: 'ok', title: text(result.isPending ? 'pending' : 'done', { name }),
    hint: framed ? text('doneHint') : text('tab'), more: [account],
    actions: [
      framed && button(text('finish'), () => close('click:finish')),
      others() && button(text('another'), showList, true),
    ],
  });
  return (given) => { account.textContent ||= given ?? ''; };
}

export const showExpired = () => message('expired', { icon: 'wait', title: text('expired'), hint: text('expiredHint'), more: support() });
