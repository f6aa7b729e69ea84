// What a person has connected: how it is, reconnect, disconnect (docs/reference/connect-ui.md).

import { ApiFailure, begin, call, depart, mayShow, part, session, tell, tryLater } from './api.js';
import { $, button, h, message, page, quiet, show, skeleton } from './page.js';
import { language, query, text, texts } from './words.js';

const path = ({ connection_id: id, provider_config_key: key }, rest = '') =>
  `/connect/connections/${part(id)}${rest}?provider_config_key=${part(key)}`;
const day = (iso) => new Intl.DateTimeFormat(language, { dateStyle: 'medium' }).format(new Date(iso));

async function start(token) {
  session.token = token;
  show('loading', skeleton(), { heading: text('waiting') });
  await load();
}

async function load(wait = 1000) {
  try {
    const [{ data }, { data: list }] = await Promise.all([call('GET', '/connect/session'), call('GET', '/connect/connections')]);
    if (mayShow(data.connectUISettings)) showConnections(list);
  } catch (failure) {
    if (failure.code !== 'network') return showTrouble(failure);
    tryLater(load, wait);
  }
}

/** Several accounts of one provider are told apart by theirs. */
const named = ({ account, display_name: name }) => (account ? `${name} (${account})` : name);
const needsHelp = ({ status }) => status === 'reconnect' || status === 'failing';

function showConnections(list, said = '') {
  const row = (one) => {
    const bad = one.status !== 'ok';
    const id = `state-${one.connection_id.replace(/\W/g, '_')}`;
    return h('li', { class: 'mine' },
      h('img', { src: one.logo, alt: '', width: 32, height: 32 }),
      h('div', { class: 'about' }, h('strong', {}, one.display_name), one.account && h('p', { class: 'account' }, one.account),
        h('p', { id, class: bad ? `state ${one.status}` : 'state' }, text(`status_${one.status}`)),
        h('p', { class: 'small' }, text('connectedOn', { date: day(one.created_at) }))),
      h('div', { class: 'does' },
        button(text('reconnect'), () => reconnect(one), !needsHelp(one)),
        quiet(text('disconnect'), () => showConfirm(one, list), { class: 'link danger', 'aria-label': `${text('disconnect')}: ${named(one)}` })));
  };
  show('connections', [
    h('h1', {}, text('mine')),
    list.length ? h('p', {}, text('mineHint')) : h('p', {}, text('mineEmpty')),
    h('ul', { class: 'list' }, [...list].sort((a, b) => needsHelp(b) - needsHelp(a)).map(row)),
  ]);
  $('live').textContent = said;
}

function showConfirm(one, list) {
  const name = named(one);
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
    icon: 'err', title: text('confirm', { name }), hint: text('confirmHint', { name }), back,
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
  const frame = h('iframe', { class: 'flow', src: address, title: text('again', { name: named(one) }), allow: 'clipboard-write' });
  const listen = ({ source, data }) => {
    if (source !== frame.contentWindow) return;
    if (data.type === 'ready') frame.contentWindow.postMessage({ type: 'session_token', sessionToken: token }, address.origin);
    if (data.type === 'connect' || data.type === 'error') tell(data.type, data.payload);
    if (data.type !== 'close') return;
    removeEventListener('message', listen);
    load();
  };
  addEventListener('message', listen);
  show('reconnect', [frame], { heading: text('again', { name: named(one) }) });
  frame.focus();
}

function showTrouble(failure) {
  if (failure.status === 401) return message('expired', { icon: 'wait', title: text('expired'), hint: text('expiredHint') });
  const refused = failure instanceof ApiFailure && failure.status === 403;
  tell('error', { errorType: failure.code ?? 'unknown_error', errorMessage: failure.message });
  message('failed', {
    icon: 'err', title: text(refused ? 'notMine' : 'offline'), hint: refused ? texts.notMineHint : text('why_unknown'),
    actions: refused ? [] : [button(text('retry'), () => load())],
  });
}

const inPage = query.get('embedded') === 'true';
begin(start, { title: text('mine'), close: () => page.state !== 'reconnect' && depart() });
$('close').hidden ||= inPage;
