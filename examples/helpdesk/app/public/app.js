import Nango from '/npm/@nangohq/frontend/dist/index.js';

const $ = (id) => document.getElementById(id);
let connectionId = null;

async function ask(method, path, body) {
    const response = await fetch(path, { method, body: body && JSON.stringify(body) });
    const data = await response.json();
    if (!response.ok) throw new Error(data.error);
    return data;
}

const complain = (problem) => { $('problem').textContent = problem ? problem.message : ''; };
const list = (id, items) => $(id).replaceChildren(...items.map((text) => Object.assign(document.createElement('li'), { textContent: text })));

// 1. The user allows the access in the Connect UI.
$('connect').onclick = async () => {
    complain(null);
    try {
        const { token, host } = await ask('POST', '/session');
        new Nango({ host, connectSessionToken: token }).openConnectUI({
            baseURL: `${host}/connect-ui/`,
            apiURL: host,
            onEvent: async (event) => {
                if (event.type === 'connect') await ask('POST', '/connected', { connectionId: event.payload.connectionId });
                if (event.type === 'error') complain(new Error(event.payload.errorMessage));
            },
        });
    } catch (problem) {
        complain(problem);
    }
};

// 4. Something goes back.
$('create').onsubmit = async (event) => {
    event.preventDefault();
    complain(null);
    try {
        if (!connectionId) throw new Error('Connect the helpdesk first.');
        await ask('POST', '/tickets', { connectionId, ...Object.fromEntries(new FormData(event.target)) });
        event.target.reset();
    } catch (problem) {
        complain(problem);
    }
};

// 2. and 3. happen on the backend; here one sees what it has by now.
async function refresh() {
    const state = await ask('GET', '/state');
    connectionId = state.connections.at(-1) ?? null;
    list('connections', state.connections);
    list('webhooks', state.webhooks.map((hook) => (hook.type === 'sync' ? `${hook.model}: ${hook.added} added, ${hook.updated} updated, ${hook.deleted} deleted` : hook.type)));
    list('tickets', state.tickets.map((ticket) => `#${ticket.id} ${ticket.title} (${ticket.status})`));
}
setInterval(() => refresh().catch(() => {}), 1000);
refresh().catch(complain);
