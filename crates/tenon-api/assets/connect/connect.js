// The page that connects an account: no build, a module for each matter (docs/reference/connect-ui.md).

import { api, begin, call, framed, mayShow, note, session, tryLater } from './api.js';
import { attempt, listenToCallbacks, outcome, resume } from './flow.js';
import { $, applySettings, page, show, skeleton } from './page.js';
import { choose, close, showExpired, showForm, showList, showSuccess, showTrouble } from './views.js';
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
    if (!mayShow(data.connectUISettings)) return;
    note('open');
    if (state) countDown(state.expires_in);
    if (state && resume(state)) return;
    if (session.list.length === 1) await choose(session.list[0]);
    else showList();
  } catch (failure) {
    if (token !== session.token) return;
    if (failure.code !== 'network') return showTrouble(failure, () => load());
    tryLater(load, wait);
  }
}

$('backdrop').addEventListener('mousedown', (event) => { if (framed && event.target === $('backdrop')) close('click:outside'); });
if (api) {
  listenToCallbacks();
  addEventListener('online', () => page.state === 'offline' && load());
}
begin(start, {
  title: text('title'), close, waits: query.get('preview') !== 'true',
  settingsChanged: async (settings) => {
    applySettings(settings);
    if (!session.token) (await beside('preview.js')).show(settings, { page, session, showForm, showSuccess });
  },
});
