// The page that connects an account: no build, a module for each matter (docs/reference/connect-ui.md).

import { api, call, framed, handshake, isAllowedParent, note, session } from './api.js';
import { attempt, listenToCallbacks, outcome, resume } from './flow.js';
import { $, applySettings, h, keepFocus, later, message, page, show, skeleton } from './page.js';
import { choose, close, showExpired, showForm, showList, showNoToken, showSuccess, showTrouble } from './views.js';
import { beside, query, text } from './words.js';

/** Shows, for the last two minutes, when the session ends; what is under way then still comes to its end. */
function countDown(seconds) {
  clearTimeout(session.clock);
  const end = performance.now() + seconds * 1000;
  const tick = () => {
    const left = Math.round((end - performance.now()) / 1000);
    const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
    $('clock').hidden = left > 120 || left <= 0 || ['success', 'closed'].includes(page.state);
    $('clock').textContent = text('ends', { time });
    if (left > 0) {
      session.clock = setTimeout(tick, left > 121 ? (left - 120) * 1000 : 1000);
      return;
    }
    session.ended = true;
    if (!attempt && !['success', 'closed'].includes(page.state)) showExpired();
  };
  tick();
}

async function start(token) {
  Object.assign(session, { token, integration: null, provider: null, ended: false });
  show('loading', skeleton(), { heading: text('waiting') });
  await load();
}

async function load(wait = 1000) {
  const { token } = session;
  try {
    const late = outcome().catch(() => null);
    let data, list;
    try {
      [{ data }, { data: list }] = await Promise.all([call('GET', '/connect/session'), call('GET', '/integrations')]);
    } catch (failure) {
      // The session has run out, but a flow that began in time may still bring something.
      const state = failure.status === 401 && (await late);
      session.ended = Boolean(state);
      if (state && token === session.token && resume(state)) return;
      throw failure;
    }
    const state = await late;
    if (token !== session.token) return;
    const allowed = data.allowed_integrations;
    session.data = data;
    session.list = allowed?.length ? list.filter((item) => allowed.includes(item.unique_key)) : list;
    applySettings(data.connectUISettings);
    if (!isAllowedParent(data.connectUISettings.allowedOrigins)) {
      return message('not-allowed', { icon: 'err', kind: 'err', title: text('notAllowed'), hint: text('notAllowedHint') });
    }
    note('open');
    if (state) countDown(state.expires_in);
    if (state && resume(state)) return;
    if (session.list.length === 1) await choose(session.list[0]);
    else showList();
  } catch (failure) {
    if (token !== session.token) return;
    if (failure.code !== 'network') return showTrouble(failure, () => load());
    message('offline', { icon: 'wait', title: text('offline'), hint: text('offlineHint') });
    later(wait, () => load(Math.min(wait * 2, 15000)));
  }
}

applySettings();
document.title = text('title');
document.body.classList.toggle('page', !framed);
document.body.classList.toggle('embedded', query.get('embedded') === 'true');
$('close').hidden = !framed;
$('close').onclick = () => close();
$('backdrop').addEventListener('mousedown', (event) => { if (framed && event.target === $('backdrop')) close('click:outside'); });
keepFocus(() => framed && close());

if (api) {
  listenToCallbacks();
  addEventListener('online', () => page.state === 'offline' && load());
}
const preview = query.get('preview') === 'true';
const begun = handshake(start, async (settings) => {
  applySettings(settings);
  if (!session.token) (await beside('preview.js')).show(settings, { page, session, showForm, showSuccess });
});
if (api && !begun) {
  if (!framed) showNoToken();
  else {
    show('wait-token', skeleton(), { heading: text('waiting') });
    if (!preview) {
      later(3000, () => $('main').append(h('p', {}, text('waiting'))));
      later(10000, showNoToken);
    }
  }
}
