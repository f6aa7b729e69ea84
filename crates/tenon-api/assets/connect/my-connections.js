// What a person has connected: how it is, reconnect, disconnect (docs/reference/connect-ui.md).

import { ApiFailure, api, call, framed, handshake, isAllowedParent, session, tell } from './api.js';
import { $, applySettings, button, h, keepFocus, later, message, page, show, skeleton } from './page.js';
import { language, query, text, texts } from './words.js';

const path = ({ connection_id: id, provider_config_key: key }, rest = '') =>
  `/connect/connections/${encodeURIComponent(id)}${rest}?provider_config_key=${encodeURIComponent(key)}`;
const day = (iso) => new Intl.DateTimeFormat(language, { dateStyle: 'medium' }).format(new Date(iso));

async function start(token) {
  session.token = token;
  show('loading', skeleton(), { heading: text('waiting') });
  await load();
}

async function load(wait = 1000) {
  try {
    const [{ data }, { data: list }] = await Promise.all([call('GET', '/connect/session'), call('GET', '/connect/connections')]);
    applySettings(data.connectUISettings);
    if (!isAllowedParent(data.connectUISettings.allowedOrigins)) {
      return message('not-allowed', { icon: 'err', kind: 'err', title: text('notAllowed'), hint: text('notAllowedHint') });
    }
    showConnections(list);
  } catch (failure) {
    if (failure.code !== 'network') return showTrouble(failure);
    message('offline', { icon: 'wait', title: text('offline'), hint: text('offlineHint') });
    later(wait, () => load(Math.min(wait * 2, 15000)));
  }
}

const needsHelp = ({ status }) => status === 'reconnect' || status === 'failing';

function showConnections(list, said = '') {
  const row = (one) => {
    const bad = one.status !== 'ok';
    const id = `state-${one.connection_id.replace(/\W/g, '_')}`;
    const name = h('strong', {}, one.display_name);
    return h('li', { class: 'mine' },
      h('img', { src: one.logo, alt: '', width: 32, height: 32 }),
      h('div', { class: 'about' }, name, h('p', { id, class: bad ? `state ${one.status}` : 'state' }, text(`status_${one.status}`)),
        h('p', { class: 'small' }, text('connectedOn', { date: day(one.created_at) }))),
      h('div', { class: 'does' },
        button(text('reconnect'), () => reconnect(one), !needsHelp(one)),
        h('button', { type: 'button', class: 'link danger', 'aria-label': `${text('disconnect')}: ${one.display_name}`, click: () => showConfirm(one, list) }, text('disconnect'))));
  };
  show('connections', [
    h('h1', {}, text('mine')),
    list.length ? h('p', {}, text('mineHint')) : h('p', {}, text('mineEmpty')),
    h('ul', { class: 'list' }, [...list].sort((a, b) => needsHelp(b) - needsHelp(a)).map(row)),
  ]);
  $('live').textContent = said;
}

function showConfirm(one, list) {
  const name = one.display_name;
  const back = () => showConnections(list);
  const go = async ({ target }) => {
    target.disabled = true;
    try {
      await call('DELETE', path(one));
      tell('disconnect', { providerConfigKey: one.provider_config_key, connectionId: one.connection_id });
      showConnections(list.filter((other) => other !== one), text('disconnected', { name }));
    } catch (failure) {
      showTrouble(failure);
    }
  };
  message('confirm', {
    icon: 'err', kind: 'err', title: text('confirm', { name }), hint: text('confirmHint', { name }), back,
    actions: [h('button', { type: 'button', class: 'button danger', click: go }, text('disconnect')), button(text('cancel'), back, true)],
  });
}

/** The same flow as for a new account, in a frame of its own, with a session that is for this connection only. */
async function reconnect(one) {
  let token;
  try {
    ({ data: { token } } = await call('POST', path(one, '/reconnect')));
  } catch (failure) {
    return showTrouble(failure);
  }
  const address = new URL('./?embedded=true', import.meta.url);
  for (const name of ['apiURL', 'lang', 'theme', 'detectClosedAuthWindow']) if (query.get(name)) address.searchParams.set(name, query.get(name));
  const frame = h('iframe', { class: 'flow', src: address, title: text('again', { name: one.display_name }), allow: 'clipboard-write' });
  const listen = ({ source, data }) => {
    if (source !== frame.contentWindow) return;
    if (data.type === 'ready') frame.contentWindow.postMessage({ type: 'session_token', sessionToken: token }, address.origin);
    if (data.type === 'connect' || data.type === 'error') tell(data.type, data.payload);
    if (data.type !== 'close') return;
    removeEventListener('message', listen);
    load();
  };
  addEventListener('message', listen);
  show('reconnect', [frame], { heading: text('again', { name: one.display_name }) });
  frame.focus();
}

function showTrouble(failure) {
  if (failure.status === 401) return message('expired', { icon: 'wait', title: text('expired'), hint: text('expiredHint') });
  const refused = failure instanceof ApiFailure && failure.status === 403;
  tell('error', { errorType: failure.code ?? 'unknown_error', errorMessage: failure.message });
  message('failed', {
    icon: 'err', kind: 'err', title: text(refused ? 'notMine' : 'offline'), hint: refused ? texts.notMineHint : text('why_unknown'),
    actions: refused ? [] : [button(text('retry'), () => load())],
  });
}

function leave() {
  tell('close');
  if (!framed) message('closed', { icon: 'ok', title: text('tab') });
}

applySettings();
document.title = text('mine');
document.body.classList.toggle('page', !framed);
document.body.classList.toggle('embedded', query.get('embedded') === 'true');
$('close').hidden = !framed || query.get('embedded') === 'true';
$('close').onclick = leave;
keepFocus(() => framed && page.state !== 'reconnect' && leave());
if (!handshake(start) && api) {
  const missing = () => message('no-token', { icon: 'wait', title: text('noToken'), hint: text('noTokenHint') });
  if (!framed) missing();
  else {
    show('wait-token', skeleton(), { heading: text('waiting') });
    later(10000, missing);
  }
}
